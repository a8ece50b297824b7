import type { Migration } from "../../engine/files/migration";
import { readMigrations, throughMigration } from "../../engine/files/migrationFolder";
import type { Repeatable } from "../../engine/files/repeatable";
import { digestOfRepeatables, readRepeatables } from "../../engine/files/repeatableFolder";
import { inspectRepeatables } from "../../engine/repeatable/inspect";
import { type DatabaseAddress, nameOf } from "../../kube/postgres";
import { UserError } from "../../userError";
import { repeatableLines } from "./migrationPreview";
import type { ResourceKind } from "./resourceKind";
import { applyThrough, type SchemaInputs, withDatabase } from "./schema";

export interface RepeatablesInputs extends SchemaInputs {
  /** The last migration of the folder: they come after it. */
  readonly through: string;
  /** Over all files and their names, when the plan was made. */
  readonly digest: string;
  /** In a preview the database to look at; it does not wait for a rollback point as `database` does. */
  readonly previewOf?: DatabaseAddress;
}

export interface RepeatablesOutputs {
  /** The schema fingerprint after they were applied; a refresh leaves it. */
  readonly schemaFingerprint?: string;
  /** What a refresh found to differ from what was applied; the next `up` puts it right. */
  readonly drift: readonly string[];
  /** What no file makes any more and is still there, a line each; no `up` drops it. */
  readonly leftOver: readonly string[];
}

/** Views, functions, procedures and triggers, as repeatable/ has them. */
export const repeatables: ResourceKind<RepeatablesInputs, RepeatablesOutputs> = {
  identify: ({ database }) => `${nameOf(database)}/repeatable`,
  async check({ previewOf, folder }) {
    if (previewOf === undefined) return;
    for (const line of await repeatableLines(previewOf, folder)) console.log(line);
  },
  async reconcile(inputs) {
    const migrations = readMigrations(inputs.folder);
    const files = readRepeatables(inputs.folder);
    ensureUnchanged(inputs, migrations, files);
    const schemaFingerprint = await applyThrough(inputs, migrations, inputs.through, {
      repeatables: files,
    });
    const { leftOver } = await inspect(inputs);
    for (const line of leftOver) console.log(`${nameOf(inputs.database)}: left over: ${line}`);
    return { schemaFingerprint, drift: [], leftOver };
  },
  read: inspect,
};

async function inspect(inputs: RepeatablesInputs) {
  const files = readRepeatables(inputs.folder);
  const found = await withDatabase(inputs, (client) => inspectRepeatables(client, files));
  // Files that have changed since are the next plan's affair, a database that went back is drift.
  const isAsDeclared = digestOfRepeatables(files) === inputs.digest;
  const { drift, unapplied, leftOver } = found;
  return { drift: [...drift, ...(isAsDeclared ? unapplied : [])], leftOver };
}

/** What runs is what was planned, even when somebody saves a file in between. */
function ensureUnchanged(
  { digest, through }: RepeatablesInputs,
  migrations: readonly Migration[],
  files: readonly Repeatable[],
): void {
  const now = digestOfRepeatables(files);
  const isLast = throughMigration(migrations, through).length === migrations.length;
  if (now === digest && isLast) return;
  throw new UserError(
    "The files of repeatable/ are not those that were planned.",
    [`planned: ${digest}`, `now:     ${isLast ? now : `a migration comes after ${through}`}`],
    "pulumi preview, then pulumi up",
  );
}
