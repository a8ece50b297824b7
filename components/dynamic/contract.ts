import { contractMigrations } from "../../engine/contract";
import { inspectSchema } from "../../engine/inspect";
import type { MigrationState } from "../../engine/journal/journal";
import { readMigrations, throughMigration } from "../../engine/files/migrationFolder";
import { readArchives } from "../../engine/contracting/archive";
import { podsOfOtherReleases } from "../../kube/otherReleases";
import { clientsOfPoolers, type PoolerAddress, type PoolerClient } from "../../kube/poolerClients";
import { connectToPostgres, type DatabaseAddress, nameOf } from "../../kube/postgres";
import { UserError } from "../../userError";
import { type Logins, oldLogins } from "./oldLogins";
import { reportProgress } from "./progress";
import type { ResourceKind } from "./resourceKind";
import { rollbackPointBefore } from "./rollbackPoint";
import { runOptions, type SchemaInputs, withDatabase } from "./schema";

export interface ContractInputs extends SchemaInputs {
  /** The last migration of the release that serves. */
  readonly through: string;
  /** The version of the release that serves: a new one contracts anew. */
  readonly release: string;
  /** App label of the workload whose pods of other releases must be gone. */
  readonly app: string;
  readonly logins: Logins;
  /** Who may close the logins of old releases, and read the statements of others. */
  readonly administrator: DatabaseAddress;
  /** Who may ask the poolers for their clients. */
  readonly pooler: PoolerAddress;
  /** How long nothing may have used the old shape. */
  readonly soakSeconds: number;
  /** How long the old columns are kept, archived under another name. */
  readonly keepDays: number;
}

export interface ContractOutputs {
  /** What the journal says of each phased migration, by its id. */
  readonly states: Readonly<Record<string, MigrationState>>;
  /** The schema fingerprint it has left; a refresh leaves it. */
  readonly schemaFingerprint?: string;
  /** When the next archived column is to be dropped, ISO 8601: from then on there is a change. */
  readonly dropsAfter?: string;
  /** Why something is not contracted yet, a line each. While there is one, the resource has changes. */
  readonly waiting: readonly string[];
}

/** The end of old shapes: what cannot end yet says why, `up` succeeds, and the next one tries again. */
export const contract: ResourceKind<ContractInputs, ContractOutputs> = {
  identify: ({ database }) => `${nameOf(database)}/contract`,
  async reconcile(inputs) {
    const report = reportProgress(nameOf(inputs.database));
    const waiting = await contractNow(inputs, report);
    for (const line of waiting) report(`contract waits: ${line}`);
    return { ...(await statesIn(inputs)), waiting, ...(await nextDrop(inputs)) };
  },
  async read(inputs) {
    const { states } = await statesIn(inputs);
    const waiting = openIn(states).map(([id, state]) => `${id}: is ${state}`);
    return { states, waiting, ...(await nextDrop(inputs)) };
  },
};

async function contractNow(
  inputs: ContractInputs,
  report: (line: string) => void,
): Promise<readonly string[]> {
  const oldRoles = await withDatabase(inputs, (client) => oldLogins(client, inputs.logins));
  const { waiting } = await contractMigrations({
    ...runOptions(inputs),
    migrations: readMigrations(inputs.folder),
    through: inputs.through,
    oldRoles,
    askOutside: (roles) => seenOutside(inputs, roles),
    administrator: () =>
      connectToPostgres(inputs.administrator, inputs.deadlineSeconds, "stateful-cd contract"),
    soakSeconds: inputs.soakSeconds,
    keepDays: inputs.keepDays,
    beforeEnding: () => rollbackPointOf(inputs),
    onProgress: ({ migration, message }) => {
      report(migration === undefined ? message : `${migration}: ${message}`);
    },
  });
  return waiting;
}

/** A point of its own: the release's is from before it began to serve. */
async function rollbackPointOf({ rollbackPoint }: ContractInputs): Promise<void> {
  if (rollbackPoint === undefined) return;
  const { change } = rollbackPoint;
  await rollbackPointBefore({ ...rollbackPoint, change: `${change} contract` });
}

function openIn(states: ContractOutputs["states"]): [id: string, state: MigrationState][] {
  return Object.entries(states).filter(([, state]) => state !== "done");
}

/** Who has no session just now, and may still come back to write in the old shape. */
async function seenOutside(
  { database, app, release, pooler }: ContractInputs,
  oldRoles: readonly string[],
): Promise<string | undefined> {
  const { context, namespace } = database;
  try {
    const pods = await podsOfOtherReleases(context, namespace, app, release);
    if (pods.length > 0) return `another release still runs: ${pods.join(", ")}`;
    const clients = await clientsOfPoolers(pooler);
    return clientsAsReason(clients.filter(({ user }) => oldRoles.includes(user)));
  } catch (error) {
    // What cannot be asked today may answer tomorrow: that is no failure of the release.
    if (!(error instanceof UserError)) throw error;
    return [error.problem, ...error.details].join(" ");
  }
}

/** Clients of poolers that use old logins, for people; undefined for none. */
export function clientsAsReason(clients: readonly PoolerClient[]): string | undefined {
  if (clients.length === 0) return undefined;
  const users = [...new Set(clients.map(({ user }) => user))].sort();
  const each = users.map((user) => {
    const count = clients.filter((client) => client.user === user).length;
    return `${user} has ${count === 1 ? "a client" : `${count} clients`}`;
  });
  return `an old release is connected to a pooler: ${each.join("; ")}`;
}

async function nextDrop(inputs: ContractInputs): Promise<{ dropsAfter?: string }> {
  const archives = await withDatabase(inputs, readArchives);
  const [next] = archives.filter(({ isDropped }) => !isDropped);
  if (next === undefined) return {};
  const day = 86_400_000;
  const milliseconds = Date.now() + (inputs.keepDays - next.ageDays) * day;
  return { dropsAfter: new Date(milliseconds).toISOString() };
}

async function statesIn(inputs: ContractInputs) {
  const wanted = throughMigration(readMigrations(inputs.folder), inputs.through);
  const phased = wanted.filter(({ kind }) => kind === "phased");
  const found = await withDatabase(inputs, (client) => inspectSchema(client, phased));
  const states = Object.fromEntries(found.migrations.map(({ id, state }) => [id, state]));
  return { states, schemaFingerprint: found.schemaFingerprint };
}
