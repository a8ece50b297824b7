import type { Client } from "pg";
import { errorText, UserError } from "../../userError";
import type { MigrationState } from "./journal";
import type { NewRelations } from "../sql/newRelations";
import type { Migration, MigrationFile, Phase } from "../files/migration";
import { sqlState, stateOf } from "../session/databaseErrors";
import { runnersRole, type Session } from "../session/session";
import { together } from "../session/together";
import { beginReadWrite, withTransaction } from "../session/transaction";

/** A run's right to write: void as soon as a later run, or a clone's first one, raises the epoch. */
export interface Run {
  readonly epoch: string;
  readonly session: Session;
  /** What it has made so far. */
  readonly newRelations: NewRelations;
}

/** One segment of a file, as the journal records it. */
export interface StepKey {
  readonly migration: string;
  readonly phase: Phase;
  readonly first: number;
  readonly last: number;
  readonly alone: boolean;
}

/**
 * SQL: holds the journal's one row until the transaction ends, so that no epoch can be raised between
 * the comparison and the write. $1 is always the run's epoch.
 */
const fence = "fence AS (SELECT FROM stateful_cd.journal WHERE epoch = $1 FOR SHARE)";

/**
 * What every journal write inside a migration's own session needs: the file may have changed role
 * and search_path, and its choice must hold again after the transaction.
 */
function asRunnerSql(session: Session): string {
  return `${runnersRole(session)}; SET LOCAL search_path = pg_catalog, pg_temp`;
}

/**
 * A short transaction for journal rows, and rows that belong to them.
 * @param settings more of SET LOCAL, sent with BEGIN
 * @param last as withTransaction has it; a fenced write fails where it must
 */
export function withJournalTransaction<T>(
  run: Run,
  work: () => Promise<T>,
  settings: readonly string[] = [],
  last?: () => Promise<void>,
): Promise<T> {
  return withTransaction(run.session.client, work, journalBegin(run, settings), last);
}

/** SQL that begins a transaction for journal rows. */
export function journalBegin(run: Run, settings: readonly string[]): string {
  return [beginReadWrite, asRunnerSql(run.session), ...settings].join("; ");
}

/**
 * A setting for transactions that write rows of the application: its triggers may name tables without
 * their schema, and find them by the path that the session came with. Journal writes name theirs.
 */
export function sessionsPath({ client, facts }: Session): string {
  return `SELECT set_config('search_path', ${client.escapeLiteral(facts.searchPath)}, true)`;
}

/** Lets `write` add journal rows at the end of a file's own transaction. */
export async function asRunner(run: Run, write: () => Promise<void>): Promise<void> {
  const { client } = run.session;
  await together(client, () => client.query(asRunnerSql(run.session)), write);
}

/**
 * pending -> `state` in one step: for a file that is one transaction from begin to end.
 * @param isKnown whether the session is as the engine has left it: what it has prepared is still there
 */
export async function recordWhole(
  run: Run,
  migration: Migration,
  file: MigrationFile,
  last: number,
  state: MigrationState,
  isKnown: boolean,
): Promise<void> {
  await expectOne(
    run,
    `INSERT INTO stateful_cd.steps (migration, phase, first_statement, last_statement, alone,
                                    state, epoch, started_at, finished_at)
     SELECT id, $7, 1, $10, false, 'done', $1, now(), clock_timestamp() FROM m`,
    [migration.id, migration.number, migration.kind, state, ...columnsOf(file), last],
    {
      ...(isKnown ? { name: "record whole" } : {}),
      before: `m AS (
       INSERT INTO stateful_cd.migrations (id, number, kind, state, epoch, started_at)
       SELECT $2, $3, $4, $5, $1, now() FROM fence RETURNING id),
     f AS (
       INSERT INTO stateful_cd.files (migration, path, phase, digest, content)
       SELECT id, $6, $7, $8, $9 FROM m)`,
    },
  );
}

/** pending -> expanding, or expanding -> expanding with a corrected file. */
export async function recordBegin(
  run: Run,
  migration: Migration,
  file: MigrationFile,
): Promise<void> {
  await expectOne(
    run,
    `INSERT INTO stateful_cd.files (migration, path, phase, digest, content)
     SELECT id, $5, $6, $7, $8 FROM m
     ON CONFLICT (migration, path) DO UPDATE SET digest = excluded.digest, content = excluded.content`,
    [migration.id, migration.number, migration.kind, ...columnsOf(file)],
    {
      before: `m AS (
       INSERT INTO stateful_cd.migrations AS m (id, number, kind, state, epoch)
       SELECT $2, $3, $4, 'expanding', $1 FROM fence
       ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, changed_at = clock_timestamp()
       WHERE m.state = 'expanding' RETURNING id)`,
    },
  );
}

/** The edge `from` -> `to`, taken only where the journal is in `from` and this run's epoch holds. */
export async function advance(
  run: Run,
  migration: string,
  from: MigrationState,
  to: MigrationState,
  reason: string | null = null,
): Promise<void> {
  await expectOne(
    run,
    `UPDATE stateful_cd.migrations
        SET state = $4, reason = $5, epoch = $1, changed_at = clock_timestamp()
       FROM fence WHERE id = $2 AND state = $3`,
    [migration, from, to, reason],
  );
}

/** Of a migration that was taken back only the row is kept, in the edge aborting -> aborted. */
export async function forgetWork(run: Run, migration: string): Promise<void> {
  const { client } = run.session;
  const tables = ["backfills", "rejects", "quiet", "archives", "steps", "files"];
  await together(
    client,
    () => advance(run, migration, "aborting", "aborted"),
    ...tables.map((table) => {
      const forget = `DELETE FROM stateful_cd.${table} WHERE migration = $1`;
      return () => client.query(forget, [migration]);
    }),
  );
}

/** aborted -> pending: the migration is about to be applied again. */
export async function forgetAborted(run: Run, migration: string): Promise<void> {
  await expectOne(
    run,
    `DELETE FROM stateful_cd.migrations USING fence WHERE id = $2 AND state = 'aborted'`,
    [migration],
  );
}

/** Files that an edge settles, in the edge's own transaction; one of a blocked migration may be new. */
export async function recordFiles(
  run: Run,
  migration: string,
  files: readonly MigrationFile[],
): Promise<void> {
  const record = (file: MigrationFile): Promise<void> =>
    expectOne(
      run,
      `INSERT INTO stateful_cd.files (migration, path, phase, digest, content)
         SELECT $2, $3, $4, $5, $6 FROM fence
         ON CONFLICT (migration, path) DO UPDATE SET digest = excluded.digest, content = excluded.content`,
      [migration, ...columnsOf(file)],
    );
  await together(run.session.client, ...files.map((file) => () => record(file)));
}

/** The schema as this run leaves it, in place of what an earlier run left. */
export async function recordFacts(
  run: Run,
  fingerprint: string,
  facts: readonly (readonly string[])[],
): Promise<void> {
  await expectOne(
    run,
    `INSERT INTO stateful_cd.recorded_schema (fingerprint, facts, epoch)
       SELECT $2, $3, $1 FROM fence
       ON CONFLICT (only_row) DO UPDATE
         SET fingerprint = excluded.fingerprint, facts = excluded.facts, epoch = excluded.epoch`,
    [fingerprint, JSON.stringify(facts)],
  );
}

/** A statement that runs alone is about to: from here on a crash is looked into, not repeated. */
export async function startStep(run: Run, step: StepKey): Promise<void> {
  await expectOne(
    run,
    `INSERT INTO stateful_cd.steps (migration, phase, first_statement, last_statement,
                                             alone, state, epoch)
       SELECT $2, $3, $4, $5, $6, 'running', $1 FROM fence
       ON CONFLICT (migration, phase, first_statement) DO UPDATE SET epoch = excluded.epoch
       WHERE steps.state = 'running'`,
    [step.migration, step.phase, step.first, step.last, step.alone],
  );
}

export async function finishStep(run: Run, step: StepKey): Promise<void> {
  await expectOne(
    run,
    `INSERT INTO stateful_cd.steps (migration, phase, first_statement, last_statement,
                                             alone, state, epoch, started_at, finished_at)
       SELECT $2, $3, $4, $5, $6, 'done', $1, now(), clock_timestamp() FROM fence
       ON CONFLICT (migration, phase, first_statement)
       DO UPDATE SET state = 'done', epoch = excluded.epoch, finished_at = clock_timestamp()
       WHERE steps.state = 'running'`,
    [step.migration, step.phase, step.first, step.last, step.alone],
  );
}

/** The statement was refused by the server and has left nothing: the next run starts it afresh. */
export async function forgetStep(run: Run, step: StepKey): Promise<void> {
  await expectOne(
    run,
    `DELETE FROM stateful_cd.steps USING fence
      WHERE migration = $2 AND phase = $3 AND first_statement = $4 AND state = 'running'`,
    [step.migration, step.phase, step.first],
  );
}

/**
 * Any other write of exactly one row.
 * @param write INSERT, UPDATE or DELETE whose rows come FROM fence, without RETURNING; $1 is the epoch,
 *   `values` begin at $2
 */
export function fencedWrite(
  run: Run,
  write: string,
  values: unknown[],
  further: Pick<Further, "name"> = {},
): Promise<void> {
  return expectOne(run, write, values, further);
}

function columnsOf(file: MigrationFile): [string, string, string, string] {
  return [file.path, file.phase, file.digest, file.text];
}

/** What the server says of a write that came too late, in quotes and whatever its language. */
const takenOver = "another run has taken over";

/** More of a fenced write. */
interface Further {
  /** Parts of WITH, between the fence and the write. */
  readonly before?: string;
  /** The server plans a write of this name once; for sessions that nobody else has a hand in. */
  readonly name?: string;
}

/**
 * What does not write one row fails on the server, and its transaction with it: so whatever is sent
 * behind it, COMMIT included, is in vain. A cast is all that can fail there without a function.
 */
async function expectOne(
  run: Run,
  write: string,
  values: unknown[],
  { before, name }: Further = {},
): Promise<void> {
  const { client, generation } = run.session;
  const parts = [
    fence,
    ...(before === undefined ? [] : [before]),
    `written AS (${write} RETURNING true)`,
  ];
  const text = `WITH ${parts.join(", ")}
    SELECT (CASE count(*) WHEN 1 THEN '1' ELSE '${takenOver}' END)::integer FROM written`;
  const prepared = name === undefined ? {} : { name: `${name}, ${generation}` };
  try {
    await client.query({ text, values: [run.epoch, ...values], ...prepared });
  } catch (error) {
    const isOutrun = stateOf(error) === sqlState.wrongText && errorText(error).includes(takenOver);
    throw isOutrun ? await outrun(client, run) : error;
  }
}

async function outrun(client: Client, run: Run): Promise<UserError> {
  // Nothing more can be asked in the transaction that has failed.
  await client.query("ROLLBACK");
  const { rows } = await client.query<{ epoch: string }>(
    "SELECT epoch::text FROM stateful_cd.journal",
  );
  const now = rows[0]?.epoch ?? "none";
  return new UserError(
    "Another run has taken over this database; this one stopped without writing.",
    [
      now === run.epoch
        ? "The journal is not in the state that this run left it in."
        : `This run has epoch ${run.epoch}, the journal is at ${now}.`,
    ],
    "run the same command again",
  );
}
