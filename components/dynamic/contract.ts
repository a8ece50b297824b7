import { contractMigrations } from "../../engine/contract";
import { inspectSchema } from "../../engine/inspect";
import type { MigrationState } from "../../engine/journal/journal";
import { readMigrations, throughMigration } from "../../engine/files/migrationFolder";
import { podsOfOtherReleases } from "../../kube/otherReleases";
import { nameOf } from "../../kube/postgres";
import { reportProgress } from "./progress";
import type { ResourceKind } from "./resourceKind";
import { runOptions, type SchemaInputs, withDatabase } from "./schema";

export interface ContractInputs extends SchemaInputs {
  /** The last migration of the release that serves. */
  readonly through: string;
  /** The version of the release that serves: a new one contracts anew. */
  readonly release: string;
  /** App label of the workload whose pods of other releases must be gone. */
  readonly app: string;
  /** Login roles of releases that know only the old shape. */
  readonly oldRoles: readonly string[];
}

export interface ContractOutputs {
  /** What the journal says of each phased migration, by its id. */
  readonly states: Readonly<Record<string, MigrationState>>;
  /** The schema fingerprint it has left; a refresh leaves it. */
  readonly schemaFingerprint?: string;
  /** Why something is not contracted yet, a line each. While there is one, the resource has changes. */
  readonly waiting: readonly string[];
}

/** The end of old shapes: what cannot end yet says why, `up` succeeds, and the next one tries again. */
export const contract: ResourceKind<ContractInputs, ContractOutputs> = {
  identify: ({ database }) => `${nameOf(database)}/contract`,
  async reconcile(inputs) {
    const report = reportProgress(nameOf(inputs.database));
    const pods = await oldPods(inputs);
    const waiting =
      pods === undefined
        ? await contractNow(inputs, report)
        : openIn((await statesIn(inputs)).states).map(([id]) => `${id}: ${pods}`);
    for (const line of waiting) report(`contract waits: ${line}`);
    return { ...(await statesIn(inputs)), waiting };
  },
  async read(inputs) {
    const { states } = await statesIn(inputs);
    return { states, waiting: openIn(states).map(([id, state]) => `${id}: is ${state}`) };
  },
};

async function contractNow(
  inputs: ContractInputs,
  report: (line: string) => void,
): Promise<readonly string[]> {
  const { waiting } = await contractMigrations({
    ...runOptions(inputs),
    migrations: await readMigrations(inputs.folder),
    through: inputs.through,
    oldRoles: inputs.oldRoles,
    onProgress: ({ migration, message }) => {
      report(migration === undefined ? message : `${migration}: ${message}`);
    },
  });
  return waiting;
}

function openIn(states: ContractOutputs["states"]): [id: string, state: MigrationState][] {
  return Object.entries(states).filter(([, state]) => state !== "done");
}

/** A pod of another release may write in the old shape without having a session just now. */
async function oldPods({ database, app, release }: ContractInputs): Promise<string | undefined> {
  const { context, namespace } = database;
  const pods = await podsOfOtherReleases(context, namespace, app, release);
  return pods.length === 0 ? undefined : `another release still runs: ${pods.join(", ")}`;
}

async function statesIn(inputs: ContractInputs) {
  const wanted = throughMigration(await readMigrations(inputs.folder), inputs.through);
  const phased = wanted.filter(({ kind }) => kind === "phased");
  const found = await withDatabase(inputs, (client) => inspectSchema(client, phased));
  const states = Object.fromEntries(found.migrations.map(({ id, state }) => [id, state]));
  return { states, schemaFingerprint: found.schemaFingerprint };
}
