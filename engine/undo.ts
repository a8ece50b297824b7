import type { Client } from "pg";
import { UserError } from "../userError";
import { withAdministrator } from "./contracting/administrator";
import { readArchives } from "./contracting/archive";
import { bringUpToDate, openAgain, renameBack } from "./contracting/undoStep";
import { syncOf } from "./files/syncFile";
import { newColumnsOf, oldColumnsOf } from "./files/syncFile";
import type { Migration } from "./files/migration";
import type { MigrationState } from "./journal/journal";
import { onMigration, type OneMigrationOptions, type Standing } from "./oneMigration";
import type { Connect } from "./session/session";
import { readSyncTable } from "./sync/syncTable";

export interface UndoOptions extends OneMigrationOptions {
  /** Gives a session that may ALTER the logins that contract closed; without it `connect` has to do. */
  readonly administrator?: Connect;
}

export interface UndoResult {
  readonly id: string;
  readonly state: MigrationState;
  /** Whether this run has done it. */
  readonly undone: boolean;
  /** What somebody with more rights has still to do, for people. */
  readonly open?: string;
}

/**
 * Brings a contracted migration's old shape back, as long as its archive is there, with everything
 * that was written since: old columns say what the new ones say, in the old spelling where that
 * still says it. Triggers keep the two in step again, and old releases may log in. Safe to kill; the
 * next call goes on.
 * @throws UserError with the reason when there is no way back, before anything is changed; and when a
 *   row's new values cannot be told by the old columns
 */
export async function undoMigration(options: UndoOptions): Promise<UndoResult> {
  let open: string | undefined;
  const undone = await onMigration(options, isUndoNeeded, async (work, { state, session }) => {
    const { migration, onProgress } = work;
    onProgress({ event: "begun", migration: migration.id, message: "undoing the contract" });
    if (state === "done") await renameBack(work);
    if (state !== "contracting") await bringUpToDate(work);
    const from = state === "contracting" ? "contracting" : "undoing";
    open = await withAdministrator(session, options, (administrator) =>
      openAgain(work, from, administrator),
    );
    onProgress({ event: "finished", migration: migration.id, message: "undone" });
  });
  const result = { id: options.id, state: "verified" as const, undone };
  return open === undefined ? result : { ...result, open };
}

async function isUndoNeeded({ migration, state, session }: Standing): Promise<boolean> {
  const { id, kind, files } = migration;
  if (state === "verified" || state === "rolled_out") return false;
  if (state === "contracting" || state === "undoing") return true;
  if (kind === "plain" || state !== "done") {
    const what = kind === "plain" ? "a plain file, which has no contract" : state;
    throw refusal(id, [`It is ${what}: there is no contract to undo.`], nextFor(migration, state));
  }
  const has = (phase: string): boolean => files.some((file) => file.phase === phase);
  if (has("contract") && !has("undo")) {
    throw refusal(
      id,
      ["Its contract.sql did more than rename columns, and nothing tells what takes that back."],
      `write migrations/${id}/undo.sql, then run the same command again`,
    );
  }
  const { problems, first } = await whatIsMissing(session.client, migration);
  if (problems.length === 0) return true;
  const next = first === undefined ? "go forward: write a new migration" : undoCommand(first);
  throw refusal(id, problems, next);
}

function nextFor({ id, kind }: Migration, state: MigrationState): string {
  if (kind === "plain") return "write a new migration that takes back what it did";
  return state === "pending" || state === "aborted"
    ? "npm run migrations -- status"
    : `npm run migrations -- abort ${id}`;
}

/** What has become of the archive, and of what the old columns are to be written from. */
async function whatIsMissing(
  client: Client,
  migration: Migration,
): Promise<{ readonly problems: string[]; readonly first?: string }> {
  const sync = syncOf(migration)?.sync;
  if (sync === undefined) return { problems: [] };
  const archives = await readArchives(client);
  const problems: string[] = [];
  let first: string | undefined;
  for (const column of oldColumnsOf(sync)) {
    const archive = archives.find((one) => one.migration === migration.id && one.column === column);
    if (archive === undefined) problems.push(`The journal knows of no archive of ${column}.`);
    else if (!archive.isThere) {
      problems.push(
        `${archive.archivedName} of ${archive.schema}.${archive.table} has been dropped.`,
      );
    }
  }
  const needed: [string, readonly string[]][] = [[sync.table, newColumnsOf(sync)]];
  if (sync.kind === "lookup") {
    needed.push([sync.references.table, [sync.references.id, sync.references.name]]);
  }
  for (const [name, columns] of needed) {
    const table = await readSyncTable(client, name);
    for (const column of columns) {
      if (table?.columns.some((one) => one.name === column) === true) continue;
      const other = archives.find((one) => {
        return one.column === column && one.table === table?.name && !one.isDropped;
      });
      first ??= other?.migration;
      const why = other === undefined ? "" : `: ${other.migration} has archived it`;
      problems.push(`${name} has no column ${column} any more${why}.`);
    }
    if (name !== sync.table) continue;
    for (const column of oldColumnsOf(sync)) {
      if (table?.columns.some((one) => one.name === column) !== true) continue;
      problems.push(`${name} has a column ${column} again.`);
    }
  }
  return first === undefined ? { problems } : { problems, first };
}

function undoCommand(id: string): string {
  return `npm run migrations -- undo ${id}`;
}

function refusal(id: string, details: readonly string[], next: string): UserError {
  return new UserError(`Migration ${id} cannot be undone.`, details, next);
}
