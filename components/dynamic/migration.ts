import { inspectSchema } from "../../engine/inspect";
import type { Migration as Declared } from "../../engine/files/migration";
import { readMigrations } from "../../engine/files/migrationFolder";
import { type DatabaseAddress, nameOf } from "../../kube/postgres";
import { UserError } from "../../userError";
import { previewLines } from "./migrationPreview";
import type { ResourceKind } from "./resourceKind";
import { type AheadInputs, applyAhead, fingerprintIn, takeKnown } from "./runAhead";
import { type SchemaInputs, withDatabase } from "./schema";

export interface MigrationInputs extends SchemaInputs {
  /** The migration's id, e.g. 0001-bookkeeper. */
  readonly migration: string;
  /** The digest of its files when the plan was made. */
  readonly digest: string;
  /** The plain migrations that follow directly, when the plan was made; none where left out. */
  readonly ahead?: AheadInputs;
  /** In a preview the database to look at; it does not wait for a rollback point as `database` does. */
  readonly previewOf?: DatabaseAddress;
}

export interface MigrationOutputs {
  /** The schema fingerprint after it was applied; a refresh leaves it. */
  readonly schemaFingerprint?: string;
  /** What a refresh found to differ; empty when nothing does. */
  readonly drift: readonly string[];
}

/** One migration that is still individually interesting. */
export const migration: ResourceKind<MigrationInputs, MigrationOutputs> = {
  identify: ({ database, migration: id }) => `${nameOf(database)}/${id}`,
  async check({ previewOf, folder, migration: id }) {
    if (previewOf === undefined) return;
    for (const line of await previewLines(previewOf, folder, id)) console.log(`${id}: ${line}`);
  },
  async reconcile(inputs) {
    const known = takeKnown(inputs);
    if (known !== undefined) return { schemaFingerprint: fingerprintIn(known), drift: [] };
    const migrations = readMigrations(inputs.folder);
    ensureUnchanged(inputs, migrations);
    return { schemaFingerprint: await applyAhead(inputs, migrations), drift: [] };
  },
  async read(inputs) {
    const declared = readMigrations(inputs.folder);
    const { migrations } = await withDatabase(inputs, (client) => inspectSchema(client, declared));
    const found = migrations.find(({ id }) => id === inputs.migration);
    if (!found || found.state === "pending" || found.state === "aborted") return undefined;
    return { drift: found.editedFiles.map((file) => `${file} was edited after it was applied`) };
  },
};

/** What runs is what was planned, even when somebody saves a file in between. */
function ensureUnchanged(
  { migration: id, digest }: MigrationInputs,
  migrations: readonly Declared[],
): void {
  const found = migrations.find((candidate) => candidate.id === id);
  if (found?.digest === digest) return;
  throw new UserError(
    `The migration ${id} is not the one that was planned.`,
    [`planned: ${digest}`, `now:     ${found?.digest ?? "its file is gone"}`],
    "pulumi preview, then pulumi up",
  );
}
