import type { Client } from "pg";
import { fencedWrite, type Run } from "../journal/journalWriter";
import { oldWritesOf, syncTagOf } from "../sync/syncNames";
import type { Migration } from "../files/migration";
import type { StatementCalls, StatementUse } from "./statements";

/** What was counted of an old shape by now. */
export interface OldUse {
  /** null where nothing counts. */
  readonly oldWrites: number | null;
  /** undefined where pg_stat_statements cannot be read. */
  readonly statements?: StatementUse | undefined;
}

/** Since when nobody was seen to use an old shape, and what had been counted by then. */
export interface Quiet {
  readonly seconds: number;
  /** As people read it, in UTC. */
  readonly since: string;
  readonly sinceTime: Date;
  /** null where nothing counts. */
  readonly oldWrites: number | null;
  /** null where pg_stat_statements could not be read then. */
  readonly statements: StatementCalls | null;
  readonly closedRoles: readonly string[];
}

export async function readQuiet(client: Client, migration: string): Promise<Quiet | undefined> {
  const { rows } = await client.query<Quiet>(
    `SELECT extract(epoch FROM clock_timestamp() - since)::float8 AS seconds,
            to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS since,
            since AS "sinceTime", old_writes::float8 AS "oldWrites", statements,
            closed_roles AS "closedRoles"
       FROM stateful_cd.quiet WHERE migration = $1`,
    [migration],
  );
  return rows[0];
}

/** From now on, and from these counts on. */
export async function startQuiet(
  run: Run,
  migration: string,
  { oldWrites, statements }: OldUse,
): Promise<void> {
  await fencedWrite(
    run,
    `INSERT INTO stateful_cd.quiet (migration, old_writes, statements, epoch)
       SELECT $2, $3, $4, $1 FROM fence
     ON CONFLICT (migration) DO UPDATE
       SET since = clock_timestamp(), old_writes = excluded.old_writes,
           statements = excluded.statements, epoch = excluded.epoch`,
    [migration, oldWrites, statements === undefined ? null : JSON.stringify(statements.calls)],
  );
}

/** How many writes of the old side there were; null when nothing counts them. */
export async function countOldWrites(client: Client, migration: Migration): Promise<number | null> {
  const name = `stateful_cd.${client.escapeIdentifier(oldWritesOf(syncTagOf(migration)))}`;
  const { rows: found } = await client.query<{ there: boolean }>(
    "SELECT to_regclass($1) IS NOT NULL AS there",
    [name],
  );
  if (found[0]?.there !== true) return null;
  const { rows } = await client.query<{ count: number }>(
    `SELECT CASE WHEN is_called THEN last_value ELSE 0 END::float8 AS count FROM ${name}`,
  );
  return rows[0]?.count ?? null;
}

/** What has been used since, as a reason to wait; undefined when nothing was. */
export function usedSince(quiet: Quiet, { oldWrites, statements }: OldUse): string | undefined {
  if (quiet.oldWrites !== null && oldWrites !== null && oldWrites !== quiet.oldWrites) {
    const times = Math.max(1, oldWrites - quiet.oldWrites);
    return `somebody still writes the old columns: ${times === 1 ? "once" : `${times} times`} since ${quiet.since}`;
  }
  if (statements === undefined) return undefined;
  if (quiet.statements === null) return "statements are counted from now on only";
  const before = quiet.statements;
  // Counts that began anew say the same as counts from zero.
  const isReset = statements.since !== null && statements.since > quiet.sinceTime;
  const [again] = Object.keys(statements.calls).filter((key) => {
    const calls = statements.calls[key] ?? 0;
    return calls > (isReset ? 0 : (before[key] ?? 0));
  });
  if (again === undefined) return undefined;
  return `a statement that names an old column has run since ${quiet.since}: ${statements.shown[again] ?? again}`;
}

/** Notes which logins are about to be closed, so that an undo can open them again. */
export async function noteClosedRoles(
  run: Run,
  migration: string,
  roles: readonly string[],
): Promise<void> {
  await fencedWrite(
    run,
    `INSERT INTO stateful_cd.quiet AS q (migration, closed_roles, epoch)
       SELECT $2, $3, $1 FROM fence
     ON CONFLICT (migration) DO UPDATE
       SET epoch = excluded.epoch,
           closed_roles = ARRAY(SELECT DISTINCT unnest(q.closed_roles || excluded.closed_roles))`,
    [migration, roles],
  );
}
