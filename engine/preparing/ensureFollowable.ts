import type { Client } from "pg";
import { UserError } from "../../userError";
import type { Migration } from "../files/migration";
import { newColumnsOf, type Sync, syncOf } from "../files/syncFile";
import { wordsOf } from "../sql/mentions";
import { missingCounterparts } from "../sync/counterparts";
import type { SyncProblem } from "../sync/syncProblem";
import { readSyncTable } from "../sync/syncTable";
import { catalogueProblems } from "./catalogueProblems";

/**
 * What the catalog says against the sync of a pending migration, and nothing that runs before can
 * mend: found before expand.sql has been applied, for after it the way to a correction is longer.
 * What expressions do, and what expand.sql makes, is looked at when that is there.
 * @param pending in order; reads the catalog, writes and locks nothing
 * @throws UserError with all that is wrong
 */
export async function ensureFollowable(
  client: Client,
  pending: readonly Migration[],
): Promise<void> {
  if (pending.every((migration) => syncOf(migration) === undefined)) return;
  const words = new Set<string>();
  const mistakes: string[] = [];
  for (const migration of pending) {
    for (const { phase, text } of migration.files) {
      if (phase === "expand") for (const word of wordsOf(text)) words.add(word);
    }
    const found = syncOf(migration);
    if (found === undefined) continue;
    const problems = await problemsOf(client, found.sync);
    const certain = problems.filter(({ mendedBy }) => !mendedBy.some((word) => words.has(word)));
    mistakes.push(...certain.map(({ text }) => `${found.file.shownPath}: ${text}`));
  }
  if (mistakes.length === 0) return;
  throw new UserError(
    "A pending migration cannot be followed on this database; nothing was run.",
    mistakes,
    "correct sync.yaml, expand.sql or the table, then run the same command again",
  );
}

async function problemsOf(client: Client, sync: Sync): Promise<SyncProblem[]> {
  const table = await readSyncTable(client, sync.table);
  const isExpanded = newColumnsOf(sync).every(
    (name) => table?.columns.some((column) => column.name === name) === true,
  );
  // Once expand.sql has run, what is wrong is told together with the way back.
  if (table === undefined || isExpanded) return [];
  const target =
    sync.kind === "lookup" ? await readSyncTable(client, sync.references.table) : undefined;
  const counterparts =
    sync.kind === "columns" && sync.same !== undefined
      ? await missingCounterparts(client, sync.same, table)
      : [];
  return [...catalogueProblems(sync, { table, target }), ...counterparts];
}
