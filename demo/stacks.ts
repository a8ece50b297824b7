import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { hasNamespace, removeNamespace } from "../kube/namespace";
import type { DatabaseAddress } from "../kube/postgres";
import type { CachePaths } from "../local/paths";
import { createStack, forgetStack, pulumi, type PulumiStack } from "../local/pulumiStack";
import { UserError } from "../userError";
import { narrate, narratePlan } from "./narration";

/**
 * CD runs on a machine of its own. Here it shares the processor with the people whose waiting is
 * measured, so it lets them go first.
 */
const niceness = 19;

/** What the demo reads of a stack's outputs. */
export interface Outputs {
  readonly release: string;
  readonly page: string;
  readonly namespace: string;
  readonly database: DatabaseAddress;
  readonly waiting: readonly string[];
}

/** The demo's own stack of a name, with its state in the cache folder. */
export function demoStack(
  paths: CachePaths,
  environment: NodeJS.ProcessEnv,
  name: string,
): PulumiStack {
  return { name, folder: path.join(paths.pulumiStacks, name), environment };
}

/**
 * Removes what an earlier demo declared, and makes the stacks anew. On a cluster of yours nothing
 * else is touched.
 * @param stacks in the order they are to be made
 */
export async function startAfresh(stacks: readonly PulumiStack[], context: string): Promise<void> {
  await Promise.all(stacks.map((stack) => remove(stack, context)));
  const [first, ...others] = stacks;
  if (first) await createStack(first, first.name);
  for (const stack of others) await createStack(stack, stack.name, {}, first);
}

async function remove(stack: PulumiStack, context: string): Promise<void> {
  const namespace = namespaceOf(stack);
  const exists = await hasNamespace(context, namespace);
  if (exists && !existsSync(stack.folder)) {
    throw new UserError(
      `The cluster has a namespace ${namespace} already, and it is not this demo's.`,
      ["The demo would share it with whatever made it."],
      `kubectl --context ${context} get all -n ${namespace}`,
    );
  }
  if (exists) await removeNamespace(context, namespace, 120);
  if (existsSync(stack.folder)) await forgetStack(stack);
}

function namespaceOf(stack: PulumiStack): string {
  return `bookkeeper-${stack.name}`;
}

/**
 * Runs `pulumi up`, telling what a person wants to see of it; the whole output goes into a file.
 * @returns seconds
 * @throws UserError with Pulumi's own diagnostics
 */
export async function up(stack: PulumiStack, log: string): Promise<number> {
  const result = await pulumi(stack, ["up", "--yes", "--skip-preview", "--suppress-outputs"], {
    niceness,
    onLine: (line) => {
      const told = narrate(line);
      if (told !== undefined) console.log(`  ${told}`);
    },
  });
  await writeFile(log, result.output);
  if (result.status === 0) return result.seconds;
  throw new UserError(
    `pulumi up of ${stack.name} failed.`,
    diagnosticsOf(result.output),
    `read ${log}; make status; make demo again when that is mended`,
  );
}

/** Runs `pulumi preview`: the lines that say what would change, and whether it was refused. */
export async function preview(
  stack: PulumiStack,
  log: string,
): Promise<{ readonly plan: string[]; readonly refusal: string[] | undefined }> {
  const { status, output } = await pulumi(stack, ["preview"], { niceness });
  await writeFile(log, output);
  const plan = output
    .split("\n")
    .map(narratePlan)
    .filter((line) => line !== undefined);
  return { plan: [...new Set(plan)], refusal: status === 0 ? undefined : diagnosticsOf(output) };
}

export async function outputsOf(stack: PulumiStack): Promise<Outputs> {
  const { output } = await pulumi(stack, ["stack", "output", "--json"]);
  return JSON.parse(output) as Outputs;
}

function diagnosticsOf(output: string): string[] {
  const start = output.indexOf("Diagnostics:");
  const end = output.indexOf("\nResources:", start);
  return output
    .slice(start === -1 ? 0 : start, end === -1 ? undefined : end)
    .split("\n")
    .filter((line) => line.trim() !== "");
}
