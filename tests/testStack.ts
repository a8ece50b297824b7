import { strict as assert } from "node:assert";
import { rm } from "node:fs/promises";
import { loadCluster } from "../kube/client";
import { hasNamespace, removeNamespace } from "../kube/namespace";
import { connectToPostgres, type DatabaseAddress } from "../kube/postgres";
import { choose } from "../local/environment";
import { cachePaths, cacheRoot, type CachePaths } from "../local/paths";
import {
  configure,
  createStack,
  pulumi,
  type PulumiResult,
  type PulumiStack,
  temporaryStack,
} from "../local/pulumiStack";

export const paths: CachePaths = cachePaths(cacheRoot(process.env));
const { context: ownContext } = choose(paths, process.env);
/** Who may look where the program may not. */
export const adminContext = ownContext ?? "stateful-cd-admin";

/** Both identities of the embedded cluster, for what the tests themselves ask. */
if (ownContext === undefined) {
  process.env.KUBECONFIG = `${paths.kubeconfig}:${paths.adminKubeconfig}`;
}

/** A stack with a backend of its own; nothing of the demo's is touched. */
export interface TestStack extends PulumiStack {
  readonly namespace: string;
  readonly run: (...args: [string, ...string[]]) => Promise<PulumiResult>;
  readonly setConfig: (changes: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly outputs: () => Promise<Record<string, unknown>>;
  readonly database: () => Promise<DatabaseAddress>;
}

/**
 * A stack made of Pulumi.<template>.yaml with these changes, and gone after the tests: its namespace
 * is removed even when a test failed half way.
 * @param beside a stack whose backend this one shares, so that the two can read each other's outputs
 */
export function useStack(
  name: string,
  template: string,
  changes: Readonly<Record<string, unknown>>,
  beside?: PulumiStack,
): TestStack {
  const namespace = `bookkeeper-${name}`;
  const own = temporaryStack(paths, name);
  const stack = beside === undefined ? own : { ...own, environment: beside.environment };
  const outputs = async (): Promise<Record<string, unknown>> => {
    const { status, output } = await pulumi(stack, ["stack", "output", "--json"]);
    assert.equal(status, 0, output);
    return JSON.parse(output) as Record<string, unknown>;
  };

  before(async function () {
    this.timeout(180_000);
    if (await hasNamespace(adminContext, namespace))
      await removeNamespace(adminContext, namespace, 120);
    await createStack(stack, template, changes);
  });

  after(async function () {
    this.timeout(180_000);
    await removeNamespace(adminContext, namespace, 120);
    await rm(stack.folder, { recursive: true, force: true });
  });

  return {
    ...stack,
    namespace,
    run: (...args) => pulumi(stack, args),
    outputs,
    database: async () => (await outputs()).database as DatabaseAddress,
    setConfig: (changes) => configure(stack, changes),
  };
}

/** Runs one query in a stack's database as its owner. */
export async function query(
  database: DatabaseAddress,
  sql: string,
): Promise<Record<string, unknown>[]> {
  const client = await connectToPostgres(database, 30, "a test");
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}

/** Every password in a namespace, as its Secrets hold them. */
export async function passwordsIn(namespace: string): Promise<string[]> {
  const { items } = await loadCluster(adminContext).core.listNamespacedSecret({ namespace });
  return items.flatMap(({ data }) =>
    Object.entries(data ?? {})
      .filter(([key]) => key.endsWith("password"))
      .map(([, value]) => Buffer.from(value, "base64").toString("utf8")),
  );
}
