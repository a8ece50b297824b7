import { spawn } from "node:child_process";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseDocument } from "yaml";
import { run } from "./command";
import { environmentOf } from "./environment";
import { type CachePaths, repository } from "./paths";
import { prioritise } from "./priority";

/** A stack for the demo, the tests or a benchmark: the real CLI on the real program. */
export interface PulumiStack {
  readonly name: string;
  /** Where its configuration is kept, with the salt that `stack init` adds: never the checkout. */
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** A stack for a test or a benchmark, with a state backend of its own; `folder` holds all of it. */
export function temporaryStack(paths: CachePaths, name: string): PulumiStack {
  const folder = path.join(tmpdir(), `stateful-cd-${name}-${process.pid}`);
  const backend = path.join(folder, "state");
  const environment = { ...environmentOf(paths), PULUMI_BACKEND_URL: `file://${backend}` };
  return { name, folder, environment };
}

/** How a command of the CLI ended. */
export interface PulumiResult {
  readonly status: number;
  /** stdout and stderr as a person sees them. */
  readonly output: string;
  readonly seconds: number;
}

export interface PulumiOptions {
  readonly onLine?: (line: string) => void;
  /** Called with the id of the process group that the CLI and its plugins then have to themselves. */
  readonly onStart?: (group: number) => void;
  /** Priority of the CLI and what it starts, from 0 to 19: the higher, the more it lets others go first. */
  readonly niceness?: number;
}

const withConfig = new Set(["up", "preview", "refresh", "destroy"]);

/**
 * Makes a stack with the configuration of Pulumi.<template>.yaml and these changes.
 * @param changes keys without the project's name, with values as they stand in a stack file
 * @param neighbour a stack whose outputs this one reads, or that reads its: with its salt both have
 *   one key, which each command derives in half a second of work, and otherwise once for each
 */
export async function createStack(
  stack: PulumiStack,
  template: string,
  changes: Readonly<Record<string, unknown>> = {},
  neighbour?: PulumiStack,
): Promise<void> {
  await mkdir(stack.folder, { recursive: true });
  // The CLI does not make the folder of its own file backend.
  await mkdir(fileURLToPath(stack.environment.PULUMI_BACKEND_URL ?? ""), { recursive: true });
  await copyFile(path.join(repository, "Pulumi.yaml"), path.join(stack.folder, "Pulumi.yaml"));
  await copyFile(path.join(repository, `Pulumi.${template}.yaml`), configFile(stack));
  await configure(stack, changes);
  if (neighbour) await takeSalt(stack, neighbour);
  await run("pulumi", ["stack", "init", stack.name, "--non-interactive"], {
    cwd: stack.folder,
    env: stack.environment,
  });
}

/** Changes keys of a stack's configuration, as a person edits its file. */
export async function configure(
  stack: PulumiStack,
  changes: Readonly<Record<string, unknown>>,
): Promise<void> {
  const settings = parseDocument(await readFile(configFile(stack), "utf8"));
  for (const [key, value] of Object.entries(changes)) {
    settings.setIn(["config", `stateful-cd:${key}`], value);
  }
  await writeFile(configFile(stack), settings.toString());
}

async function takeSalt(stack: PulumiStack, neighbour: PulumiStack): Promise<void> {
  const theirs = parseDocument(await readFile(configFile(neighbour), "utf8"));
  const ours = parseDocument(await readFile(configFile(stack), "utf8"));
  ours.set("encryptionsalt", theirs.get("encryptionsalt"));
  await writeFile(configFile(stack), ours.toString());
}

/**
 * Forgets a stack's state; what it declared stays unless it was destroyed before. A stack that was
 * cut off before it had a state, or whose backend was emptied, is forgotten as well.
 */
export async function forgetStack(stack: PulumiStack): Promise<void> {
  const options = { cwd: stack.folder, env: stack.environment };
  const known = JSON.parse(await run("pulumi", ["stack", "ls", "--json"], options)) as {
    readonly name: string;
  }[];
  if (known.some(({ name }) => name === stack.name)) {
    await run(
      "pulumi",
      ["stack", "rm", stack.name, "--yes", "--force", "--non-interactive"],
      options,
    );
  }
  await rm(stack.folder, { recursive: true, force: true });
}

/** What a terminal tells a whole session when a person has had enough; another session is told here. */
const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs a command of the CLI on the stack. Its failure is a result, not an exception. */
export async function pulumi(
  stack: PulumiStack,
  args: readonly [string, ...string[]],
  options: PulumiOptions = {},
): Promise<PulumiResult> {
  const started = performance.now();
  const isOperation = withConfig.has(args[0]);
  const config = isOperation ? ["--config-file", configFile(stack)] : [];
  const child = spawn("pulumi", [...args, ...config, "--stack", stack.name, "--non-interactive"], {
    cwd: isOperation ? repository : stack.folder,
    env: stack.environment,
    stdio: ["ignore", "pipe", "pipe"],
    // In a session of its own it can be killed whole, and has a priority of its own.
    detached: options.onStart !== undefined || options.niceness !== undefined,
  });
  const { pid } = child;
  const passOn = (signal: NodeJS.Signals): void => {
    if (pid !== undefined) process.kill(-pid, signal);
  };
  if (pid !== undefined) {
    if (options.niceness !== undefined) {
      prioritise(pid, options.niceness);
      for (const signal of endings) process.on(signal, passOn);
    }
    options.onStart?.(pid);
  }
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      options.onLine?.(line);
    });
  }
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      resolve(code ?? 1);
    });
  });
  for (const signal of endings) process.off(signal, passOn);
  const seconds = (performance.now() - started) / 1000;
  return { status, output: lines.join("\n"), seconds };
}

function configFile(stack: PulumiStack): string {
  return path.join(stack.folder, `Pulumi.${stack.name}.yaml`);
}
