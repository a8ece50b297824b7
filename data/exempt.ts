import type { Client } from "pg";
import { UserError } from "../userError";
import type { TablePlan } from "./columnPairs";
import type { Exempt } from "./fingerprint";
import { scanSource } from "./tableScan";

const mostRows = 1_000_000;

/**
 * The rows that a declaration lets change, by the hashes of their keys. They are chosen in the
 * control and left out on both sides: in the candidate the condition may hold no longer.
 * @throws UserError when there are too many to be named one by one
 */
export async function exemptKeys(control: Client, plan: TablePlan): Promise<Exempt> {
  const exempt = new Map<number, readonly string[]>();
  for (const [column, predicate] of plan.exempt) {
    const { rows } = await control.query<{ k: string }>(
      `SELECT k FROM ${scanSource(plan.control, [predicate])} WHERE p1 LIMIT $1`,
      [mostRows + 1],
    );
    if (rows.length > mostRows) {
      const name = plan.control.columns[column]?.name ?? "";
      throw new UserError(
        `integrity.yaml declares changes of column ${name} in more than ${mostRows} rows of ${plan.table}.`,
        ["A condition is for the exceptions; so many rows cannot be told apart one by one."],
        `declare the column with "true", and check its new values in checks/*.sql`,
      );
    }
    exempt.set(
      column,
      rows.map(({ k }) => k),
    );
  }
  return exempt;
}
