import type { Client } from "pg";
import { applyMigrations, type ApplyOptions } from "../../engine/apply";
import type { Migration } from "../../engine/files/migration";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { keptSession } from "../../kube/keptSession";
import { nameOf, type DatabaseAddress } from "../../kube/postgres";
import type { RollbackRequest } from "../../kube/rollback";
import { reportProgress } from "./progress";
import { rollbackPointBefore } from "./rollbackPoint";

/** What the resources of a schema have in common. */
export interface SchemaInputs {
  readonly database: DatabaseAddress;
  /** Folder of the migrations, relative to the project. */
  readonly folder: string;
  /** The clone the database is; empty for one that is not. Another clone is to be migrated again. */
  readonly cloneId: string;
  /** Seconds to wait for a starting server, and for another run's lock. */
  readonly deadlineSeconds: number;
  /** Where data is protected: what takes the point to go back to, if there is none of this change. */
  readonly rollbackPoint?: RollbackRequest;
}

const applicationName = "stateful-cd migrations";

/** How the engine reaches the database, and under which name. */
export function runOptions({ database, deadlineSeconds }: SchemaInputs) {
  return {
    connect: () => keptSession(database, deadlineSeconds, applicationName),
    target: nameOf(database),
    applicationName,
    lockDeadlineSeconds: deadlineSeconds,
  };
}

/**
 * Brings the database to a migration, telling on the way what is done; does nothing when it is there.
 * @returns the schema's fingerprint then
 */
export async function applyThrough(
  inputs: SchemaInputs,
  migrations: readonly Migration[],
  through: string,
  more: Pick<ApplyOptions, "repeatables" | "onApplied" | "onProgress"> = {},
): Promise<string> {
  if (inputs.rollbackPoint !== undefined) await rollbackPointBefore(inputs.rollbackPoint);
  const report = reportProgress(nameOf(inputs.database));
  const applied = await applyMigrations({
    ...runOptions(inputs),
    migrations,
    through,
    ...more,
    onProgress: (progress) => {
      const { migration, message } = progress;
      report(migration === undefined ? message : `${migration}: ${message}`);
      more.onProgress?.(progress);
    },
  });
  if (applied.schemaFingerprint !== undefined) return applied.schemaFingerprint;
  return (await withDatabase(inputs, schemaFingerprint)).digest;
}

/** A session on the database as the role that owns the schema, ended afterwards. */
export async function withDatabase<T>(
  { database, deadlineSeconds }: Pick<SchemaInputs, "database" | "deadlineSeconds">,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await keptSession(database, deadlineSeconds, applicationName);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
