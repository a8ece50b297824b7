import type { Client } from "pg";
import { jsonOf, keyColumns, keyOf, type LiveSync } from "../sync/liveSync";
import { printable } from "../sql/sourceText";
import { withReadOnlyTransaction } from "../session/transaction";
import { type AuditCheck, sequenceChecks, tableNotes } from "./tableChecks";

/** What an audit has found to be wrong. */
export interface Finding {
  /** For people, a sentence without its full stop. */
  readonly problem: string;
  /** The first rows, a line each: the key, then the values. */
  readonly rows: readonly string[];
  /** What sets it right, for people. */
  readonly way: string;
}

const shownRows = 20;

/**
 * Looks, in one snapshot, whether a sync holds for every row and whether all that keeps it is in
 * place. Empty when all is well.
 * @param client a session outside of any transaction
 */
export async function audit(client: Client, live: LiveSync): Promise<Finding[]> {
  const checks = await withReadOnlyTransaction(client, () => syncChecks(client, live));
  return checks.filter(({ verdict }) => verdict === "wrong").map(findingOf);
}

/**
 * All that can be said of a sync and its tables, in one snapshot: beside what `audit` looks at, how
 * many rows are filled, and whether sequences, constraints and indexes of the tables are sound.
 * @param client a session outside of any transaction
 */
export function auditReport(client: Client, live: LiveSync): Promise<AuditCheck[]> {
  return withReadOnlyTransaction(client, async () => [
    await countRows(client, live),
    ...(await syncChecks(client, live)),
    ...(await sequenceChecks(client, live)),
    ...(await tableNotes(client, live)),
  ]);
}

export function findingOf({ what, rows, way = "" }: AuditCheck): Finding {
  return { problem: what, rows, way };
}

async function syncChecks(client: Client, live: LiveSync): Promise<AuditCheck[]> {
  const checks = [
    ...(await constraintChecks(client, live)),
    ...(await triggerChecks(client, live)),
  ];
  const isSuspect = await hasSuspect(client, live);
  for (const { problem, where, way } of live.audits) {
    const rows = isSuspect ? await rowsWhere(client, live, where) : [];
    const count = rows.length > shownRows ? `more than ${shownRows}` : String(rows.length);
    checks.push({
      verdict: rows.length === 0 ? "ok" : "wrong",
      what: `Rows of ${live.table.shown} that ${problem}: ${count}`,
      rows: rows
        .slice(0, shownRows)
        .map(({ key, shown }) => lineOf(live, key, shown))
        .map((line) => printable(line).slice(0, 300)),
      ...(rows.length === 0 ? {} : { way }),
    });
  }
  return checks;
}

/** One look at the table instead of one for each audit: mostly there is nothing to tell. */
async function hasSuspect(client: Client, { mend, suspect }: LiveSync): Promise<boolean> {
  const { rowCount } = await client.query(`SELECT FROM ${mend.from} WHERE ${suspect} LIMIT 1`);
  return rowCount !== 0;
}

interface ShownRow {
  key: string[];
  shown: Record<string, unknown>;
}

async function rowsWhere(
  client: Client,
  { table, old, filled }: LiveSync,
  where: string,
): Promise<ShownRow[]> {
  const quote = (name: string): string => client.escapeIdentifier(name);
  const { rows } = await client.query<ShownRow>(
    `SELECT ${keyOf(table, quote)} AS key, ${jsonOf([...old, ...filled], quote)} AS shown
       FROM ${table.sql} t WHERE ${where}
      ORDER BY ${keyColumns(table, "t", quote)} LIMIT ${shownRows + 1}`,
  );
  return rows;
}

async function countRows(client: Client, { table, filled }: LiveSync): Promise<AuditCheck> {
  const columns = filled.map((name) => client.escapeIdentifier(name)).join(", ");
  const { rows } = await client.query<{ all: string; filled: string }>(
    `SELECT count(*) AS all, count(*) FILTER (WHERE num_nonnulls(${columns}) > 0) AS filled
       FROM ${table.sql}`,
  );
  const of = (count = "0"): string => Number(count).toLocaleString("en-US");
  return {
    verdict: "ok",
    what: `Rows of ${table.shown}: ${of(rows[0]?.all)}, of which ${of(rows[0]?.filled)} have ${filled.join(" or ")}`,
    rows: [],
  };
}

function lineOf({ table }: LiveSync, key: string[], shown: Record<string, unknown>): string {
  const names = table.key.map(({ name }, index) => `${name} ${key[index] ?? ""}`);
  return `${names.join(", ")}: ${JSON.stringify(shown)}`;
}

/** The constraints that keep the two sides in step are there, and hold for every row. */
export async function constraintChecks(client: Client, live: LiveSync): Promise<AuditCheck[]> {
  const checks: AuditCheck[] = [];
  for (const { table, name } of live.constraints) {
    const { rowCount } = await client.query(
      `SELECT FROM pg_constraint
        WHERE conrelid = $1::regclass AND conname = $2 AND convalidated`,
      [table, name],
    );
    checks.push(
      rowCount === 0
        ? wrong(`The constraint ${name} of ${table} is not there, or not valid`)
        : ok(`The constraint ${name} of ${table} is valid`),
    );
  }
  return checks;
}

/** The triggers are there, and at work. */
export async function triggerChecks(client: Client, live: LiveSync): Promise<AuditCheck[]> {
  const checks: AuditCheck[] = [];
  for (const { table, name } of live.triggers) {
    const { rowCount } = await client.query(
      "SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2 AND tgenabled IN ('O', 'A')",
      [table, name],
    );
    checks.push(
      rowCount === 0
        ? wrong(`The trigger ${name} of ${table} is not there, or not enabled`)
        : ok(`The trigger ${name} of ${table} is enabled`),
    );
  }
  return checks;
}

function ok(what: string): AuditCheck {
  return { verdict: "ok", what, rows: [] };
}

function wrong(what: string): AuditCheck {
  const way = "npm run migrations -- audit --repair puts it back";
  return { verdict: "wrong", what, rows: [], way };
}
