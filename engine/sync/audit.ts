import type { Client } from "pg";
import type { LiveSync } from "./liveSync";
import { printable } from "../sql/sourceText";
import { withReadOnlyTransaction } from "../session/transaction";

/** What an audit has found to be wrong. */
export interface Finding {
  /** For people, a sentence without its full stop. */
  readonly problem: string;
  /** The first rows, a line each: the key, then the values. */
  readonly rows: readonly string[];
}

const shownRows = 20;

/**
 * Looks, in one snapshot, whether a sync holds for every row and whether all that keeps it is in
 * place. Empty when all is well.
 * @param client a session outside of any transaction
 */
export function audit(client: Client, live: LiveSync): Promise<Finding[]> {
  return withReadOnlyTransaction(client, async () => {
    const findings = await missingParts(client, live);
    for (const { problem, query } of live.audits) {
      const { rows } = await client.query<{ key: string[]; shown: Record<string, unknown> }>(
        `${query} LIMIT ${shownRows + 1}`,
      );
      if (rows.length === 0) continue;
      const count = rows.length > shownRows ? `more than ${shownRows}` : String(rows.length);
      findings.push({
        problem: `Rows of ${live.table.shown} that ${problem}: ${count}`,
        rows: rows
          .slice(0, shownRows)
          .map(({ key, shown }) => lineOf(live, key, shown))
          .map((line) => printable(line).slice(0, 300)),
      });
    }
    return findings;
  });
}

function lineOf({ table }: LiveSync, key: string[], shown: Record<string, unknown>): string {
  const names = table.key.map(({ name }, index) => `${name} ${key[index] ?? ""}`);
  return `${names.join(", ")}: ${JSON.stringify(shown)}`;
}

async function missingParts(client: Client, live: LiveSync): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { table, name } of live.constraints) {
    const { rows } = await client.query(
      `SELECT FROM pg_constraint
        WHERE conrelid = $1::regclass AND conname = $2 AND convalidated`,
      [table, name],
    );
    if (rows.length === 0) {
      findings.push({
        problem: `The constraint ${name} of ${table} is not there, or not valid`,
        rows: [],
      });
    }
  }
  for (const { table, name } of live.triggers) {
    const { rows } = await client.query(
      "SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2 AND tgenabled IN ('O', 'A')",
      [table, name],
    );
    if (rows.length === 0) {
      findings.push({
        problem: `The trigger ${name} of ${table} is not there, or not enabled`,
        rows: [],
      });
    }
  }
  return findings;
}
