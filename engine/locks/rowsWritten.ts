import type { Client } from "pg";
import type { withRolledBackTransaction } from "../session/transaction";
import type { StatementClass } from "./classification";

interface PlanNode {
  readonly "Plan Rows": number;
  readonly Plans?: readonly PlanNode[];
}

/**
 * How many rows the server expects an UPDATE, DELETE or MERGE to change. It plans the statement and
 * does not run it, and waits for nobody.
 * @returns undefined where it cannot say: what an earlier statement makes is not there yet
 */
export async function rowsWritten(
  client: Client,
  { statement }: StatementClass,
  undoing: typeof withRolledBackTransaction,
): Promise<number | undefined> {
  if (!["UpdateStmt", "DeleteStmt", "MergeStmt"].includes(statement.kind)) return undefined;
  try {
    return await undoing(client, async () => {
      await client.query("SET LOCAL lock_timeout = 50");
      const { rows } = await client.query<{ "QUERY PLAN": { Plan: PlanNode }[] }>(
        `EXPLAIN (FORMAT JSON) ${statement.text}`,
      );
      return rows[0]?.["QUERY PLAN"][0]?.Plan.Plans?.[0]?.["Plan Rows"];
    });
  } catch {
    return undefined;
  }
}
