import type { Client } from "pg";
import { quoted } from "../sql/catalogName";
import type { MigrationRun } from "../journal/fileContext";
import { fencedWrite, type Run } from "../journal/journalWriter";
import { oldColumnsOf } from "../files/syncFile";
import type { Migration } from "../files/migration";
import type { LiveSync } from "../sync/liveSync";
import { archivedName } from "../sync/syncNames";
import { inShortLocks } from "../sync/syncDdl";
import { together } from "../session/together";
import { syncOf } from "../files/syncFile";

/** A column that contract renamed: the way back, until it is dropped. */
export interface ArchivedColumn {
  readonly migration: string;
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly archivedName: string;
  /** Whether the column had to have a value. */
  readonly notNull: boolean;
  readonly isDropped: boolean;
  /** Whether the column is there, under the name of the archive. */
  readonly isThere: boolean;
  readonly ageDays: number;
  /** Whether the migration is done: not while it is being undone. */
  readonly isKept: boolean;
}

/** The archives of all migrations, oldest first; none before the journal knows of any. */
export async function readArchives(client: Client): Promise<ArchivedColumn[]> {
  const { rowCount } = await client.query(
    "SELECT FROM pg_tables WHERE schemaname = 'stateful_cd' AND tablename = 'archives'",
  );
  if (rowCount === 0) return [];
  const { rows } = await client.query<ArchivedColumn>(
    `SELECT a.migration, a.table_schema AS schema, a.table_name AS table, a.column_name AS column,
            a.archived_name AS "archivedName", a.not_null AS "notNull",
            a.dropped_at IS NOT NULL AS "isDropped",
            EXISTS (SELECT FROM pg_attribute t
                     WHERE t.attrelid = to_regclass(format('%I.%I', a.table_schema, a.table_name))
                       AND t.attname = a.archived_name AND NOT t.attisdropped) AS "isThere",
            extract(epoch FROM clock_timestamp() - a.archived_at)::float8 / 86400 AS "ageDays",
            m.state = 'done' AS "isKept"
       FROM stateful_cd.archives a JOIN stateful_cd.migrations m ON m.id = a.migration
      ORDER BY a.archived_at, a.migration, a.column_name`,
  );
  return rows;
}

/** In the transaction that renames the columns. */
export async function recordArchives(
  run: Run,
  migration: Migration,
  { table }: LiveSync,
): Promise<void> {
  const sync = syncOf(migration)?.sync;
  const record = (column: string): Promise<void> => {
    const notNull = table.columns.find(({ name }) => name === column)?.notNull ?? false;
    return fencedWrite(
      run,
      `INSERT INTO stateful_cd.archives (migration, table_schema, table_name, column_name,
                                         archived_name, not_null, epoch)
         SELECT $2, $3, $4, $5, $6, $7, $1 FROM fence`,
      [migration.id, table.schema, table.name, column, archivedName(column), notNull],
    );
  };
  const columns = sync === undefined ? [] : oldColumnsOf(sync);
  await together(run.session.client, ...columns.map((column) => () => record(column)));
}

/** The columns that have been kept for long enough. */
export async function dueArchives(client: Client, keepDays: number): Promise<ArchivedColumn[]> {
  const archives = await readArchives(client);
  return archives.filter(({ isDropped, isKept, ageDays }) => {
    return isKept && !isDropped && ageDays >= keepDays;
  });
}

/** Really drops a column, in a short lock; from here on there is no undo. */
export async function dropArchive(work: MigrationRun, archive: ArchivedColumn): Promise<void> {
  const { run, migration, onProgress } = work;
  const { client } = run.session;
  const { schema, table, column, archivedName: name, isThere } = archive;
  const message = `dropping ${name} of ${schema}.${table}, archived ${Math.floor(archive.ageDays)} days ago`;
  onProgress({ event: "statement", migration: migration.id, message });
  const drop = `ALTER TABLE ${quoted(client, { schema, name: table })} DROP COLUMN ${client.escapeIdentifier(name)}`;
  await inShortLocks(work, `dropping ${name}`, isThere ? [drop] : [], () =>
    fencedWrite(
      run,
      `UPDATE stateful_cd.archives SET dropped_at = clock_timestamp(), epoch = $1
         FROM fence WHERE migration = $2 AND column_name = $3 AND dropped_at IS NULL`,
      [archive.migration, column],
    ),
  );
}
