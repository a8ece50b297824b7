import type { Client } from "pg";
import { UserError } from "../../userError";
import { withTransaction } from "../session/transaction";
import { withWholeJournal } from "./wholeJournal";

/**
 * The journal's tables, as upgrades: entry N brings a journal from version N to N + 1. Entries are
 * never edited once released; later versions add entries.
 *
 * - journal: one row. `epoch` fences: whoever holds a smaller one cannot write any more.
 * - runs: one row a run that wrote something; its key is its epoch.
 * - migrations: one row a migration that has begun; no row means pending.
 * - files: what was applied, text included, so that an edit can be shown.
 * - steps: one row a transaction or a statement that runs alone.
 * - acceptances: the releases that were let in, so that one may go back to them.
 * - recorded_schema: one row, the schema as the last run left it, so that drift can be shown.
 * - backfills: a row for each worker of a migration with sync.yaml; `position` is the last key done,
 *   its range begins after `lower` and ends with `watermark`, each NULL or a list of texts. A person
 *   pauses the backfill with `paused`, in any of a migration's rows.
 * - rejects: rows that do not convert, with their old values.
 * - rewrites: statements carried out in parts, until all are done; `done` says how many are.
 * - stalls: how long others may have queued behind a lock of ours, by table: the stall budget.
 * - sync_conflicts: writes that changed both sides to values that disagree; the new side won.
 * - quiet: one row a migration whose old shape nobody was seen to use: since when, and what had been
 *   counted by then. `closed_roles` are the logins that contract took LOGIN from.
 * - archives: one row a column that contract renamed; `dropped_at` once it is really gone.
 * - repeatables: one row each time that a file of repeatable/ was applied, the newest counts; without
 *   a digest its file is gone, and so is all that it had made.
 */
const upgrades: readonly string[] = [
  `
  CREATE TABLE stateful_cd.journal (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    epoch bigint NOT NULL,
    target text,
    system_identifier text NOT NULL,
    database_oid text NOT NULL
  );
  CREATE TABLE stateful_cd.runs (
    epoch bigint PRIMARY KEY,
    outcome text NOT NULL CHECK (outcome IN ('running', 'done', 'failed')),
    target text,
    recognised_from text,
    application_name text NOT NULL,
    user_name text NOT NULL,
    backend_pid integer NOT NULL,
    backend_start text NOT NULL,
    error text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
  );
  CREATE TABLE stateful_cd.migrations (
    id text PRIMARY KEY,
    number text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('plain', 'phased')),
    state text NOT NULL CHECK (state IN ('expanding', 'expanded', 'backfilling', 'backfilled',
      'verified', 'rolled_out', 'contracting', 'done', 'blocked', 'aborting', 'aborted')),
    reason text,
    epoch bigint NOT NULL REFERENCES stateful_cd.runs,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
  );
  CREATE TABLE stateful_cd.files (
    migration text NOT NULL REFERENCES stateful_cd.migrations,
    path text NOT NULL,
    phase text NOT NULL,
    digest text NOT NULL,
    content text NOT NULL,
    PRIMARY KEY (migration, path)
  );
  CREATE TABLE stateful_cd.steps (
    migration text NOT NULL REFERENCES stateful_cd.migrations,
    phase text NOT NULL,
    first_statement integer NOT NULL,
    last_statement integer NOT NULL,
    alone boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done')),
    epoch bigint NOT NULL REFERENCES stateful_cd.runs,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    PRIMARY KEY (migration, phase, first_statement)
  );
  CREATE TABLE stateful_cd.recorded_schema (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    fingerprint text NOT NULL,
    facts json NOT NULL,
    epoch bigint NOT NULL REFERENCES stateful_cd.runs
  );`,
  `
  CREATE TABLE stateful_cd.backfills (
    migration text PRIMARY KEY REFERENCES stateful_cd.migrations,
    position json,
    watermark json,
    rows_seen bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL REFERENCES stateful_cd.runs,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
  );
  CREATE TABLE stateful_cd.rejects (
    migration text NOT NULL REFERENCES stateful_cd.migrations,
    key jsonb NOT NULL,
    old_values jsonb NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (migration, key)
  );
  CREATE TABLE stateful_cd.sync_conflicts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    written jsonb NOT NULL,
    written_by text NOT NULL DEFAULT session_user,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
  );`,
  `
  CREATE TABLE stateful_cd.acceptances (
    release_digest text PRIMARY KEY,
    epoch bigint NOT NULL REFERENCES stateful_cd.runs,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp()
  );`,
  `
  CREATE TABLE stateful_cd.stalls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation text NOT NULL,
    milliseconds integer NOT NULL,
    epoch bigint NOT NULL REFERENCES stateful_cd.runs,
    stalled_at timestamptz NOT NULL DEFAULT clock_timestamp()
  );`,
  `
  ALTER TABLE stateful_cd.backfills
    ADD COLUMN part integer NOT NULL DEFAULT 1,
    ADD COLUMN lower json,
    ADD COLUMN paused boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT backfills_pkey,
    ADD PRIMARY KEY (migration, part);`,
  `
  ALTER TABLE stateful_cd.migrations
    DROP CONSTRAINT migrations_state_check,
    ADD CONSTRAINT migrations_state_check CHECK (state IN ('expanding', 'expanded', 'backfilling',
      'backfilled', 'verified', 'rolled_out', 'contracting', 'done', 'blocked', 'aborting', 'aborted',
      'undoing'));
  CREATE TABLE stateful_cd.quiet (
    migration text PRIMARY KEY REFERENCES stateful_cd.migrations,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    old_writes bigint,
    statements jsonb,
    closed_roles text[] NOT NULL DEFAULT '{}',
    epoch bigint NOT NULL REFERENCES stateful_cd.runs
  );
  CREATE TABLE stateful_cd.archives (
    migration text NOT NULL REFERENCES stateful_cd.migrations,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    archived_name text NOT NULL,
    not_null boolean NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    dropped_at timestamptz,
    epoch bigint NOT NULL REFERENCES stateful_cd.runs,
    PRIMARY KEY (migration, column_name)
  );`,
  `
  CREATE TABLE stateful_cd.rewrites (
    migration text NOT NULL,
    phase text NOT NULL,
    first_statement integer NOT NULL,
    statement text NOT NULL,
    rewrite json NOT NULL,
    done integer NOT NULL DEFAULT 0,
    PRIMARY KEY (migration, phase, first_statement),
    FOREIGN KEY (migration, phase, first_statement) REFERENCES stateful_cd.steps ON DELETE CASCADE
  );`,
  `
  CREATE TABLE stateful_cd.repeatables (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL,
    digest text,
    content text,
    objects json NOT NULL DEFAULT '[]',
    left_over json NOT NULL DEFAULT '[]',
    epoch bigint NOT NULL REFERENCES stateful_cd.runs,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
  );
  CREATE INDEX repeatables_path ON stateful_cd.repeatables (path, id DESC);`,
];

export const journalVersion = upgrades.length;

/** Whether a journal of this version has a place for repeatable files. */
export function keepsRepeatables(version: number): boolean {
  return version >= 8;
}

/**
 * Creates the journal, or brings an older one to this engine's version, in one transaction.
 * @param version the version found, 0 for none
 */
export async function upgradeJournal(
  client: Client,
  version: number,
  identity: { systemIdentifier: string; databaseOid: string; target: string | undefined },
): Promise<void> {
  ensureKnownVersion(version);
  if (version === journalVersion) return;
  await withTransaction(client, async () => {
    if (version === 0) {
      const found = await client.query("SELECT FROM pg_namespace WHERE nspname = 'stateful_cd'");
      if (found.rowCount === 0) await client.query("CREATE SCHEMA stateful_cd");
    }
    for (const upgrade of upgrades.slice(version)) {
      await withWholeJournal(() => client.query(upgrade));
    }
    if (version === 0) {
      await client.query(
        `INSERT INTO stateful_cd.journal (version, epoch, target, system_identifier, database_oid)
         VALUES ($1, 0, $2, $3, $4)`,
        [journalVersion, identity.target, identity.systemIdentifier, identity.databaseOid],
      );
    } else {
      await client.query("UPDATE stateful_cd.journal SET version = $1", [journalVersion]);
    }
  });
}

export function ensureKnownVersion(version: number): void {
  if (version <= journalVersion) return;
  throw new UserError(
    `The journal in this database has format ${version}; this engine knows up to ${journalVersion}.`,
    ["A newer stateful-cd has been at work here."],
    "use that newer version: git pull && npm ci",
  );
}
