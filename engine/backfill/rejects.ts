import type { MigrationRun } from "../journal/fileContext";
import type { LiveSync } from "../sync/liveSync";
import { keyOf } from "../sync/liveSync";

/** More than anybody reads; the rest is counted in the data itself. */
const mostRejects = 10_000;

/**
 * Lists the rows that do not convert as they are now, in place of what was listed before.
 * @param mayBe false where it is known that there are none, which spares a look at the table
 * @returns how many are listed
 */
export async function recordRejects(
  work: MigrationRun,
  live: LiveSync,
  mayBe: boolean,
): Promise<number> {
  const { client } = work.run.session;
  const key = keyOf(live.table, (name) => client.escapeIdentifier(name));
  await client.query("DELETE FROM stateful_cd.rejects WHERE migration = $1", [work.migration.id]);
  if (!mayBe) return 0;
  const { rowCount } = await client.query(
    `INSERT INTO stateful_cd.rejects (migration, key, old_values)
     SELECT $1, (${key})::jsonb, (${live.oldValues})::jsonb
       FROM ${live.table.sql} t WHERE ${live.rejected} LIMIT ${mostRejects}`,
    [work.migration.id],
  );
  return rowCount ?? 0;
}
