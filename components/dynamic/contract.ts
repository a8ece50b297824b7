import { contractMigrations } from "../../engine/contract";
import { inspectSchema } from "../../engine/inspect";
import type { MigrationState } from "../../engine/journal";
import { readMigrations, throughMigration } from "../../engine/migrationFolder";
import { nameOf } from "../../kube/postgres";
import { reportProgress } from "./progress";
import type { ResourceKind } from "./resourceKind";
import { runOptions, type SchemaInputs, withDatabase } from "./schema";

export interface ContractInputs extends SchemaInputs {
  /** The last migration of the release that serves. */
  readonly through: string;
  /** The version of the release that serves: a new one contracts anew. */
  readonly release: string;
  /** Login roles of releases that know only the old shape. */
  readonly oldRoles: readonly string[];
}

export interface ContractOutputs {
  /** What the journal says of each phased migration, by its id. */
  readonly states: Readonly<Record<string, MigrationState>>;
  /** Why something is not contracted yet, a line each. While there is one, the resource has changes. */
  readonly waiting: readonly string[];
}

/** The end of old shapes: what cannot end yet says why, `up` succeeds, and the next one tries again. */
export const contract: ResourceKind<ContractInputs, ContractOutputs> = {
  identify: ({ database }) => `${nameOf(database)}/contract`,
  async reconcile(inputs) {
    const report = reportProgress(nameOf(inputs.database));
    const { migrations, waiting } = await contractMigrations({
      ...runOptions(inputs),
      migrations: await readMigrations(inputs.folder),
      through: inputs.through,
      oldRoles: inputs.oldRoles,
      onProgress: ({ migration, message }) => {
        report(migration === undefined ? message : `${migration}: ${message}`);
      },
    });
    for (const line of waiting) report(`contract waits: ${line}`);
    return { states: statesOf(migrations), waiting };
  },
  async read(inputs) {
    const wanted = throughMigration(await readMigrations(inputs.folder), inputs.through);
    const phased = wanted.filter(({ kind }) => kind === "phased");
    const { migrations } = await withDatabase(inputs, (client) => inspectSchema(client, phased));
    const open = migrations.filter(({ state }) => state !== "done");
    return {
      states: statesOf(migrations),
      waiting: open.map(({ id, state }) => `${id}: is ${state}`),
    };
  },
};

function statesOf(
  migrations: readonly { readonly id: string; readonly state: MigrationState }[],
): Record<string, MigrationState> {
  return Object.fromEntries(migrations.map(({ id, state }) => [id, state]));
}
