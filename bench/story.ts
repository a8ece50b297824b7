import { parseArgs } from "node:util";
import { escapeIdentifier } from "pg";
import { demoStack, outputsOf } from "../demo/stacks";
import { tellStory } from "../demo/story";
import { connectToPostgres } from "../kube/postgres";
import { environmentOf } from "../local/environment";
import { cachePaths, cacheRoot } from "../local/paths";
import { configure, pulumi, type PulumiResult, type PulumiStack } from "../local/pulumiStack";
import { median } from "./median";
import { reportFailure } from "./reportFailure";

/** What the whole story costs, and what its users notice. Times in the unit of their names. */
interface Figures {
  readonly demoSeconds: number;
  readonly requests: number;
  readonly errors: number;
  readonly lostWrites: number;
  /** While production changed. */
  readonly longestStallMs: number;
  readonly quietP99Ms: number;
  readonly upP99Ms: number;
  readonly upP99ToQuietP99: number;
  readonly noopProdSeconds: number;
  readonly noopStagingSeconds: number;
  /** By the size of production's database. */
  readonly clones: readonly CloneFigures[];
}

interface CloneFigures {
  readonly databaseMegabytes: number;
  /** From asking for production's snapshot to a volume of it in a pod. */
  readonly mountedMs: number;
  /** The same to a server that answers on it. */
  readonly openMs: number;
}

const repetitions = 3;
/** Megabytes of rows that production gets before each clone. */
const growths = [0, 900];
/** Between two checkpoints: the log of all rows at once has filled the volume. */
const megabytesAtOnce = 100;

async function measure(): Promise<Figures> {
  const { story, measured } = await tellStory();
  const paths = cachePaths(cacheRoot(process.env));
  const environment = environmentOf(paths);
  const prod = demoStack(paths, environment, "prod");
  const staging = demoStack(paths, environment, "staging");
  const noopProdSeconds = await noop(prod);
  const noopStagingSeconds = await noop(staging);
  const clones: CloneFigures[] = [];
  let generation = 1;
  for (const megabytes of growths) {
    await grow(prod, megabytes);
    await configure(staging, { clone: { generation: ++generation, allowUnmasked: true } });
    ensureOk(await pulumi(staging, ["up", "--yes", "--skip-preview"]));
    clones.push(await cloneFigures(prod, staging));
  }
  const ups = measured.byPhase.up;
  const upP99Ms = ups?.p99Ms ?? Number.NaN;
  return {
    demoSeconds: story.seconds,
    requests: story.requests,
    errors: story.errors,
    lostWrites: story.lostWrites,
    longestStallMs: story.longestStallMs,
    quietP99Ms: measured.quietP99Ms,
    upP99Ms,
    upP99ToQuietP99: Math.round((upP99Ms / measured.quietP99Ms) * 100) / 100,
    noopProdSeconds,
    noopStagingSeconds,
    clones,
  };
}

async function noop(stack: PulumiStack): Promise<number> {
  const seconds: number[] = [];
  for (let count = 0; count < repetitions; count++) {
    const args = ["up", "--yes", "--skip-preview", "--expect-no-changes"] as const;
    seconds.push(ensureOk(await pulumi(stack, [...args])).seconds);
  }
  return Math.round(median(seconds) * 10) / 10;
}

/**
 * Rows that do not compress, in a table of their own; made one by one, for a sort of all would fill the
 * volume, and they are the owner's, as all that staging compares. They end up where a year's rows are:
 * in the files, and not in the log, of which a clone replays what production's next checkpoint, in
 * five minutes at most, would have ended.
 */
async function grow(prod: PulumiStack, megabytes: number): Promise<void> {
  const { database } = await outputsOf(prod);
  const superuser = { ...database, role: "postgres", secretKey: "superuser-password" };
  const client = await connectToPostgres(superuser, 30, "a benchmark");
  try {
    await client.query(`SET ROLE ${escapeIdentifier(database.role)}`);
    await client.query("CREATE TABLE IF NOT EXISTS public.filler (noise bytea)");
    await client.query("RESET ROLE");
    for (let done = 0; done < megabytes; done += megabytesAtOnce) {
      await client.query(
        `INSERT INTO public.filler
           SELECT (SELECT decode(string_agg(md5(n::text || '/' || m::text), ''), 'hex')
                     FROM generate_series(1, 4096) AS m)
             FROM generate_series($1::int * 16, ($1::int + $2::int) * 16 - 1) AS n`,
        [done, Math.min(megabytesAtOnce, megabytes - done)],
      );
      await client.query("CHECKPOINT");
    }
  } finally {
    await client.end();
  }
}

async function cloneFigures(prod: PulumiStack, staging: PulumiStack): Promise<CloneFigures> {
  const { output } = ensureOk(await pulumi(staging, ["stack", "export"]));
  const { deployment } = JSON.parse(output) as {
    deployment: { resources: { type: string; outputs?: Record<string, number> }[] };
  };
  const made = deployment.resources.find(({ type }) => type.endsWith(":MaskedSnapshot"))?.outputs;
  const client = await connectToPostgres((await outputsOf(prod)).database, 30, "a benchmark");
  try {
    const { rows } = await client.query<{ bytes: string }>(
      "SELECT pg_database_size(current_database()) AS bytes",
    );
    return {
      databaseMegabytes: Math.round(Number(rows[0]?.bytes) / 1e6),
      mountedMs: made?.mountedMilliseconds ?? Number.NaN,
      openMs: made?.openMilliseconds ?? Number.NaN,
    };
  } finally {
    await client.end();
  }
}

function ensureOk(result: PulumiResult): PulumiResult {
  if (result.status !== 0) throw new Error(`pulumi ended with ${result.status}:\n${result.output}`);
  return result;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
  // The story is told to people; a program reads the last line alone.
  const tell = console.log;
  if (values.json) console.log = () => undefined;
  const figures = await measure();
  console.log = tell;
  console.log(values.json ? JSON.stringify(figures) : figures);
}

main().catch(reportFailure);
