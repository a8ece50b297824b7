import type { Client } from "pg";
import type { Migration, MigrationFile } from "./files/migration";
import { statementsOf } from "./files/migrationStatements";
import { ensureHarmless, type FilePlan, planFile } from "./locks/filePlan";
import { isEnding } from "./locks/transactionBound";
import { withRolledBackTransaction } from "./session/transaction";
import { NewRelations } from "./sql/newRelations";
import type { Statement } from "./sql/parser";

/** A file that ends or takes back what a migration has begun, and what it would do. */
export interface PlannedEnding {
  readonly file: MigrationFile;
  readonly statements: readonly Statement[];
  readonly plan: FilePlan;
}

/**
 * Plans contract.sql, abort.sql and undo.sql of a migration. They run much later, and under locks of
 * the engine's own: what takes long in them is refused now, while the file may still be edited.
 * @param made what the run will have made before this migration
 */
export async function planEndings(
  client: Client,
  { files }: Migration,
  made: NewRelations,
  undoing = withRolledBackTransaction,
): Promise<PlannedEnding[]> {
  const endings: PlannedEnding[] = [];
  const before = made.copy();
  for (const file of files.filter(({ phase }) => phase === "expand")) {
    for (const { tree } of await statementsOf(file)) before.note(tree, () => false);
  }
  for (const file of files.filter(({ phase }) => isEnding(phase))) {
    const statements = await statementsOf(file);
    const plan = await planFile(client, file, statements, before.unfilled(), undoing);
    endings.push({ file, statements, plan });
  }
  return endings;
}

/** @throws UserError for the first statement that would hold others up */
export function ensureEndable({ id }: Migration, endings: readonly PlannedEnding[]): void {
  for (const { file, plan } of endings) ensureHarmless(id, file, plan);
}

/** The same for contract.sql, once it is to be run. */
export async function ensureContractHarmless(
  client: Client,
  migration: Migration,
  file: MigrationFile | undefined,
): Promise<void> {
  if (file === undefined) return;
  const statements = await statementsOf(file);
  ensureHarmless(migration.id, file, await planFile(client, file, statements, new NewRelations()));
}
