import type { Client } from "pg";
import { UserError } from "../../userError";
import type { MigrationFile } from "../files/migration";
import type { Sync } from "../files/syncFile";
import { catalogueProblems, type SyncTables } from "./catalogueProblems";
import { correctionOf } from "./correction";
import { sameValueProblems } from "../sync/sameValue";
import { expressionProblems, indexProblems } from "./twin";

/**
 * What must hold before a sync adds anything: what it names is there, and nothing of it would make
 * a trigger take one release's write for the other's, or fail the old release's write.
 * @throws UserError with all that is wrong
 */
export async function ensureSyncable(
  client: Client,
  { id, file }: { readonly id: string; readonly file: MigrationFile },
  sync: Sync,
  tables: SyncTables,
): Promise<void> {
  const { table } = tables;
  const problems = catalogueProblems(sync, tables).map(({ text }) => text);
  if (table !== undefined && sync.kind === "columns" && sync.same !== undefined) {
    problems.push(...(await sameValueProblems(client, sync.same, table)));
  }
  if (table !== undefined) problems.push(...(await indexProblems(client, sync, table)));
  if (sync.kind === "columns" && table !== undefined && problems.length === 0) {
    problems.push(...(await expressionProblems(client, file, sync, table)));
  }
  if (problems.length === 0) return;
  throw new UserError(
    `${file.shownPath} cannot be followed on this database; no trigger was added.`,
    problems,
    correctionOf(id, "correct sync.yaml or the table"),
  );
}
