import type { Client } from "pg";
import { journalExists } from "../session/session";
import { ensureKnownVersion } from "./journalSchema";
import type { Phase } from "../files/migration";
import { brokenJournal, withWholeJournal } from "./wholeJournal";

/** What a journal can say of a migration; `pending` is one without a row. */
export type MigrationState =
  | "pending"
  | "expanding"
  | "expanded"
  | "backfilling"
  | "backfilled"
  | "verified"
  | "rolled_out"
  | "contracting"
  | "done"
  | "blocked"
  | "aborting"
  | "aborted"
  | "undoing";

export interface JournalStep {
  readonly phase: Phase;
  readonly firstStatement: number;
  readonly lastStatement: number;
  readonly alone: boolean;
  readonly state: "running" | "done";
}

export interface JournalFile {
  readonly path: string;
  readonly phase: Phase;
  readonly digest: string;
}

export interface JournalMigration {
  readonly id: string;
  readonly number: string;
  readonly kind: "plain" | "phased";
  readonly state: Exclude<MigrationState, "pending">;
  /** Why it is blocked. */
  readonly reason: string | null;
  /** ISO 8601. */
  readonly changedAt: string;
  readonly files: readonly JournalFile[];
  readonly steps: readonly JournalStep[];
}

/** Where a journal says it is: a copy of a database finds other values around it. */
export interface JournalIdentity {
  readonly target: string | null;
  readonly systemIdentifier: string;
  readonly databaseOid: string;
}

export interface Journal extends JournalIdentity {
  readonly version: number;
  /** Names this journal and its copies. */
  readonly id: string;
  /** The epoch of the newest run; a decimal number. */
  readonly epoch: string;
  readonly migrations: ReadonlyMap<string, JournalMigration>;
}

interface JournalRow extends JournalIdentity {
  version: number;
  id: string;
  epoch: string;
  migrations: (Omit<JournalMigration, "files" | "steps"> & {
    files: JournalFile[] | null;
    steps: JournalStep[] | null;
  })[];
}

/** Reads the whole journal but the files' texts in one round trip. The journal must exist. */
export async function readJournal(client: Client): Promise<Journal> {
  const { rows } = await withWholeJournal(() => client.query<JournalRow>(wholeJournal));
  const [row] = rows;
  if (row === undefined) throw brokenJournal("stateful_cd.journal has no row");
  ensureKnownVersion(row.version);
  const migrations = row.migrations.map((migration) => ({
    ...migration,
    files: migration.files ?? [],
    steps: migration.steps ?? [],
  }));
  return { ...row, migrations: new Map(migrations.map((migration) => [migration.id, migration])) };
}

const wholeJournal = `
    SELECT version, id, epoch::text, target, system_identifier AS "systemIdentifier",
           database_oid AS "databaseOid",
           (SELECT coalesce(json_agg(json_build_object(
                     'id', m.id, 'number', m.number, 'kind', m.kind, 'state', m.state,
                     'reason', m.reason, 'changedAt', m.changed_at,
                     'files', f.list, 'steps', s.list)), '[]')
              FROM stateful_cd.migrations m
              LEFT JOIN (SELECT migration, json_agg(json_build_object(
                                  'path', path, 'phase', phase, 'digest', digest)) AS list
                           FROM stateful_cd.files GROUP BY migration) f ON f.migration = m.id
              LEFT JOIN (SELECT migration, json_agg(json_build_object(
                                  'phase', phase, 'firstStatement', first_statement,
                                  'lastStatement', last_statement, 'alone', alone,
                                  'state', state) ORDER BY first_statement) AS list
                           FROM stateful_cd.steps GROUP BY migration) s ON s.migration = m.id
           ) AS migrations
      FROM stateful_cd.journal`;

/** The journal, where there is one. */
export async function findJournal(client: Client): Promise<Journal | undefined> {
  const { rows } = await client.query<{ exists: boolean }>(`SELECT ${journalExists} AS exists`);
  return rows[0]?.exists === true ? readJournal(client) : undefined;
}

/** The text of a file as it was applied, for showing an edit. */
export async function readAppliedText(
  client: Client,
  migration: string,
  path: string,
): Promise<string> {
  const { rows } = await client.query<{ content: string }>(
    "SELECT content FROM stateful_cd.files WHERE migration = $1 AND path = $2",
    [migration, path],
  );
  return rows[0]?.content ?? "";
}

/** Whether a release may use what a migration has made: nothing but its contract is left to do. */
export function isSettled(state: MigrationState): boolean {
  const settled: MigrationState[] = ["done", "verified", "rolled_out", "contracting", "undoing"];
  return settled.includes(state);
}
