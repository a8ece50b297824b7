import { rm } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { removeNamespace } from "../kube/namespace";
import { choose, contextOf } from "../local/environment";
import { cachePaths, cacheRoot } from "../local/paths";
import {
  createStack,
  pulumi,
  type PulumiResult,
  type PulumiStack,
  temporaryStack,
} from "../local/pulumiStack";
import { median } from "./median";
import { residentNodeBytes } from "./processMemory";
import { reportFailure } from "./reportFailure";

/** What one `pulumi up` of production costs: seconds, bytes of state, megabytes of memory. */
interface Figures {
  readonly firstUpSeconds: number;
  readonly noopSeconds: number;
  readonly previewSeconds: number;
  readonly stateBytes: number;
  readonly nodeMegabytes: number;
}

const repetitions = 3;
const paths = cachePaths(cacheRoot(process.env));
const context = contextOf(choose(paths, process.env));

/** A stack like production, on a ready cluster with the images present; removed afterwards. */
async function measure(say: (line: string) => void): Promise<Figures> {
  const stack = temporaryStack(paths, "bench");
  // What this process asks the cluster itself goes where Pulumi goes.
  Object.assign(process.env, stack.environment);
  try {
    await removeNamespace(context, "bookkeeper-bench", 120);
    // Production asks what staging has shown, which is nothing before its first release.
    const staging = { ...stack, name: "staging", folder: path.join(stack.folder, "staging") };
    await createStack(staging, "staging");
    await createStack(stack, "prod", {
      frontend: { replicas: 2, nodePort: 30099, address: "http://10.243.0.1:30099" },
    });
    const { first, peakBytes } = await measureFirstUp(stack);
    say(`first up: ${first.seconds.toFixed(1)} s`);
    const noops = await repeat(() =>
      pulumi(stack, ["up", "--yes", "--skip-preview", "--expect-no-changes"]),
    );
    const previews = await repeat(() => pulumi(stack, ["preview", "--expect-no-changes"]));
    const state = ensureOk(await pulumi(stack, ["stack", "export"]));
    return {
      firstUpSeconds: round(first.seconds),
      noopSeconds: round(median(noops)),
      previewSeconds: round(median(previews)),
      stateBytes: Buffer.byteLength(state.output),
      nodeMegabytes: Math.round(peakBytes / 1e6),
    };
  } finally {
    await removeNamespace(context, "bookkeeper-bench", 120);
    await rm(stack.folder, { recursive: true, force: true });
  }
}

async function measureFirstUp(stack: PulumiStack) {
  let peakBytes = 0;
  let group = 0;
  const sampling = setInterval(() => {
    if (group === 0) return;
    void residentNodeBytes(group).then((bytes) => (peakBytes = Math.max(peakBytes, bytes)));
  }, 200);
  try {
    const first = await pulumi(stack, ["up", "--yes", "--skip-preview"], {
      onStart: (started) => (group = started),
    });
    return { first: ensureOk(first), peakBytes };
  } finally {
    clearInterval(sampling);
  }
}

async function repeat(run: () => Promise<PulumiResult>): Promise<number[]> {
  const seconds: number[] = [];
  for (let count = 0; count < repetitions; count++) seconds.push(ensureOk(await run()).seconds);
  return seconds;
}

function ensureOk(result: PulumiResult): PulumiResult {
  if (result.status !== 0) throw new Error(`pulumi ended with ${result.status}:\n${result.output}`);
  return result;
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
  const figures = await measure((line) => {
    if (!values.json) console.log(line);
  });
  if (values.json) console.log(JSON.stringify(figures));
  else console.table(figures);
}

main().catch(reportFailure);
