import { existsSync } from "node:fs";
import path from "node:path";
import { hasNamespace, removeNamespace } from "../kube/namespace";
import { connectToPostgres, type DatabaseAddress } from "../kube/postgres";
import { UserError } from "../userError";
import { environmentOf } from "./environment";
import { narrate } from "./narration";
import { cachePaths, cacheRoot } from "./paths";
import { createStack, forgetStack, pulumi, type PulumiStack } from "./pulumiStack";

const namespace = "bookkeeper-prod";
const removalSeconds = 120;

/** What the demo ends with, as one line that a program can read. */
interface Summary {
  readonly prodRelease: string;
  readonly inventoryRows: number;
  readonly page: string;
  readonly seconds: number;
}

/** What the demo reads of the stack's outputs. */
interface Outputs {
  readonly release: string;
  readonly page: string;
  readonly database: DatabaseAddress;
}

/** From nothing to production: release 1.0.0 by one real `pulumi up`, and the page it serves. */
async function demo(): Promise<Summary> {
  const started = performance.now();
  const paths = cachePaths(cacheRoot(process.env));
  const environment = environmentOf(paths);
  // What this process asks the cluster itself goes where Pulumi goes.
  Object.assign(process.env, environment);
  const context = process.env.STATEFUL_CD_CONTEXT ?? "stateful-cd";
  const prod: PulumiStack = {
    name: "prod",
    folder: path.join(paths.root, "pulumi", "stacks", "prod"),
    environment,
  };

  say("A fresh start", "Whatever an earlier demo left is removed.");
  await removeEarlierDemo(prod, context);
  await createStack(prod, "prod");

  say("Release 1.0.0 to production", "pulumi up --stack prod");
  const up = await pulumi(prod, ["up", "--yes", "--skip-preview", "--suppress-outputs"], {
    onLine: (line) => {
      const told = narrate(line);
      if (told !== undefined) console.log(`  ${told}`);
    },
  });
  if (up.status !== 0) {
    throw new UserError(
      "`pulumi up` of production failed.",
      up.output.slice(up.output.indexOf("Diagnostics:")).split("\n"),
      "make status, and make demo again when that is mended",
    );
  }

  say("What people see now", "Asking the page for its data, as a browser does.");
  const outputs = await pulumi(prod, ["stack", "output", "--json"]);
  const { release, page, database } = JSON.parse(outputs.output) as Outputs;
  await askPage(page);
  const inventoryRows = await countRows(database);
  console.log(`  ${page} serves release ${release} with ${inventoryRows} inventory rows.`);
  console.log(
    `\nOpen ${page} in a browser. Ask the stack: eval "$(make -s env)"; pulumi stack -s prod`,
  );
  return {
    prodRelease: release,
    inventoryRows,
    page,
    seconds: Math.round((performance.now() - started) / 1000),
  };
}

/** Only what this demo's own stack declared: on a cluster of yours, nothing else is touched. */
async function removeEarlierDemo(prod: PulumiStack, context: string): Promise<void> {
  if (existsSync(prod.folder)) {
    await removeNamespace(context, namespace, removalSeconds);
    await forgetStack(prod);
  } else if (await hasNamespace(context, namespace)) {
    throw new UserError(
      `The cluster has a namespace ${namespace} already, and it is not this demo's.`,
      ["The demo would share it with whatever made it."],
      `kubectl --context ${context} get all -n ${namespace}`,
    );
  }
}

/** Asks as a browser does: frontend, backend, pooler and database must all answer. */
async function askPage(page: string): Promise<void> {
  const html = await fetch(page);
  const answer = await fetch(new URL("/api/inventory?limit=1", page));
  if (!html.ok || !answer.ok) {
    throw new UserError(
      `The page does not answer: ${page} HTTP ${html.status}, its data HTTP ${answer.status}.`,
      [],
      "make status",
    );
  }
}

async function countRows(database: DatabaseAddress): Promise<number> {
  const client = await connectToPostgres(database, 10, "stateful-cd demo");
  try {
    const { rows } = await client.query<{ count: number }>(
      "select count(*)::int as count from inventory",
    );
    return rows[0]?.count ?? 0;
  } finally {
    await client.end();
  }
}

function say(title: string, text: string): void {
  console.log(`\n${title}\n  ${text}`);
}

demo().then(
  (summary) => {
    console.log(`demo: ok ${JSON.stringify(summary)}`);
  },
  (error: unknown) => {
    console.error(error instanceof UserError ? `\n${error.message}` : error);
    process.exitCode = 1;
  },
);
