import type { Client } from "pg";
import { UserError } from "../../userError";
import { audit } from "../backfill/audit";
import { backfill } from "../backfill/backfill";
import { dropCursors } from "../backfill/backfillCursor";
import type { MigrationRun } from "../journal/fileContext";
import { advance } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import { planSync } from "../preparing/planSync";
import { quoted } from "../sql/catalogName";
import { resetSession } from "../session/session";
import { together } from "../session/together";
import { mend, whoTakesBack } from "../backfill/mend";
import { buildIndexes } from "../sync/syncIndexes";
import { addConstraint, inShortLocks, validateConstraint } from "../sync/syncDdl";
import { syncTagOf } from "../sync/syncNames";
import { type ArchivedColumn, readArchives } from "./archive";
import { endingOf } from "./endingFile";
import { setLogin } from "./oldRoles";
import { syncOf } from "../files/syncFile";
import { reversed } from "./undoSync";

/** done -> undoing: the old columns have their names again, with what they held at contract. */
export async function renameBack(work: MigrationRun): Promise<void> {
  const { run, migration } = work;
  const { client } = run.session;
  const renames = (await archivesOf(client, migration.id)).map(
    ({ column, archivedName, ...place }) =>
      `ALTER TABLE ${tableOf(client, place)} RENAME COLUMN ${client.escapeIdentifier(archivedName)} TO ${client.escapeIdentifier(column)}`,
  );
  const file = migration.files.find(({ phase }) => phase === "undo");
  const ending = await endingOf(work, file);
  await inShortLocks(work, "giving the old columns their names again", renames, () =>
    together(
      client,
      ending,
      () => dropCursors(run, migration.id),
      () => advance(run, migration.id, "done", "undoing"),
    ),
  );
}

/**
 * The triggers again, then the old columns of all rows brought up to date, in batches, while the new
 * release writes. May be repeated from its start at any time.
 * @throws UserError when a row's new values cannot be told by the old columns
 */
export async function bringUpToDate(work: MigrationRun): Promise<void> {
  const { run, migration } = work;
  const { client } = run.session;
  await resetSession(run.session);
  const live = await planSync(client, migration);
  if (live === undefined) return;
  const archives = await archivesOf(client, migration.id);
  await buildIndexes(work, live.indexes);
  await inShortLocks(work, "adding the triggers again", [
    `LOCK TABLE ${live.locked.map(({ sql }) => sql).join(", ")} IN ACCESS EXCLUSIVE MODE`,
    ...live.uninstall,
    ...optionalAgain(client, work, live, archives),
    ...live.install,
  ]);
  const back = reversed(client, migration, live);
  await backfill(work, back);
  for (const constraint of live.constraints) await addConstraint(work, live, constraint);
  await resetSession(run.session);
  const { helpless } = await mend(work, back);
  for (const archive of archives) if (archive.notNull) await requireAgain(work, archive);
  for (const constraint of live.constraints) await validateConstraint(work, constraint);
  await resetSession(run.session);
  const [finding] = await audit(client, live);
  if (finding === undefined) return;
  throw new UserError(
    `The undo of ${migration.id} stops: ${finding.problem}.`,
    [
      ...finding.rows,
      ...whoTakesBack(back, helpless),
      "The old columns are kept up to date, and old releases are still shut out.",
    ],
    "correct these rows, then run the same command again",
  );
}

/** undoing or contracting -> verified. Old releases may be served again, and so may log in. */
export async function openAgain(
  work: MigrationRun,
  from: "undoing" | "contracting",
  administrator: Client,
): Promise<string | undefined> {
  const { run, migration } = work;
  const { client } = run.session;
  const closed = await setLogin(administrator, await rolesToOpen(client, migration.id), "LOGIN");
  const remains = from === "contracting" ? await withoutPrepared(work) : [];
  await inShortLocks(work, "letting old releases in again", remains, async () => {
    for (const table of ["archives", "quiet"]) {
      await client.query(`DELETE FROM stateful_cd.${table} WHERE migration = $1`, [migration.id]);
    }
    // contract.sql has not run, as far as anybody can tell now: it may be edited.
    await client.query(
      "DELETE FROM stateful_cd.files WHERE migration = $1 AND phase IN ('contract', 'undo')",
      [migration.id],
    );
    await advance(run, migration.id, from, "verified");
  });
  return closed;
}

async function archivesOf(client: Client, migration: string): Promise<ArchivedColumn[]> {
  return (await readArchives(client)).filter((archive) => archive.migration === migration);
}

function tableOf(client: Client, place: { readonly schema: string; readonly table: string }) {
  return quoted(client, { schema: place.schema, name: place.table });
}

/** Contract made the new column required as the old one was; a row that does not convert has none. */
function optionalAgain(
  client: Client,
  { migration }: MigrationRun,
  { table }: LiveSync,
  archives: readonly ArchivedColumn[],
): string[] {
  const sync = syncOf(migration)?.sync;
  const wasRequired = archives.some(({ notNull }) => notNull);
  if (sync?.kind === "fill") return [];
  const required = sync?.kind === "lookup" ? sync.id : sync?.same?.new;
  if (required === undefined || sync?.rejects !== "block" || !wasRequired) return [];
  return [
    `ALTER TABLE ${table.sql} ALTER COLUMN ${client.escapeIdentifier(required)} DROP NOT NULL`,
  ];
}

/** NOT NULL as it was before contract; a valid check spares it its scan under a strong lock. */
async function requireAgain(work: MigrationRun, archive: ArchivedColumn): Promise<void> {
  const { client } = work.run.session;
  const table = tableOf(client, archive);
  const column = client.escapeIdentifier(archive.column);
  const name = `stateful_cd_${syncTagOf(work.migration)}_required`;
  const check = client.escapeIdentifier(name);
  await inShortLocks(work, `requiring ${archive.column} again`, [
    `ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${check}`,
    `ALTER TABLE ${table} ADD CONSTRAINT ${check} CHECK (${column} IS NOT NULL) NOT VALID`,
  ]);
  await validateConstraint(work, { table, name });
  await inShortLocks(work, `requiring ${archive.column} again`, [
    `ALTER TABLE ${table} ALTER COLUMN ${column} SET NOT NULL`,
    `ALTER TABLE ${table} DROP CONSTRAINT ${check}`,
  ]);
}

/** What a contract that did not come to its end has prepared, and the old release does not know. */
async function withoutPrepared({ run, migration }: MigrationRun): Promise<string[]> {
  await resetSession(run.session);
  const { client } = run.session;
  const live = await planSync(client, migration);
  const name = client.escapeIdentifier(`stateful_cd_${syncTagOf(migration)}_not_null`);
  return live === undefined
    ? []
    : [`ALTER TABLE ${live.table.sql} DROP CONSTRAINT IF EXISTS ${name}`];
}

/** Logins that this contract has closed, and that no other contract keeps closed. */
async function rolesToOpen(client: Client, migration: string): Promise<string[]> {
  const { rows } = await client.query<{ role: string }>(
    `SELECT unnest(closed_roles) AS role FROM stateful_cd.quiet WHERE migration = $1
     EXCEPT
     SELECT unnest(q.closed_roles) FROM stateful_cd.quiet q
       JOIN stateful_cd.migrations m ON m.id = q.migration
      WHERE m.id <> $1 AND m.state IN ('done', 'contracting', 'undoing')`,
    [migration],
  );
  return rows.map(({ role }) => role).sort();
}
