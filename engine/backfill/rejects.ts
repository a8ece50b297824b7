import type { MigrationRun } from "../journal/fileContext";
import { withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import { jsonOf, keyOf } from "../sync/liveSync";

/** More than anybody reads; the rest is counted in the data itself. */
const mostRejects = 10_000;

/**
 * Lists the rows that do not convert as they are now, in place of what was listed before.
 * @param mayBe false where it is known that there are none, which spares a look at the table
 */
export async function listRejects(
  work: MigrationRun,
  { table, old, rejected }: LiveSync,
  mayBe: boolean,
): Promise<void> {
  const { run, migration, onProgress } = work;
  const { client } = run.session;
  const quote = (name: string): string => client.escapeIdentifier(name);
  const count = await withJournalTransaction(run, async () => {
    await client.query("DELETE FROM stateful_cd.rejects WHERE migration = $1", [migration.id]);
    if (!mayBe) return 0;
    const { rowCount } = await client.query(
      `INSERT INTO stateful_cd.rejects (migration, key, old_values)
       SELECT $1, (${keyOf(table, quote)})::jsonb, (${jsonOf(old, quote)})::jsonb
         FROM ${table.sql} t WHERE ${rejected} LIMIT ${mostRejects}`,
      [migration.id],
    );
    return rowCount ?? 0;
  });
  if (count === 0) return;
  const message = `rows that do not convert: ${count}, listed in stateful_cd.rejects`;
  onProgress({ event: "backfill", migration: migration.id, message });
}
