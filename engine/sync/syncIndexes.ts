import type { Client } from "pg";
import { UserError } from "../../userError";
import { createIndexRecovery } from "../steps/concurrentIndex";
import { watchingSnapshots } from "../steps/snapshotWatch";
import type { MigrationRun } from "../journal/fileContext";
import type { SyncIndex } from "./liveSync";
import { parse } from "../sql/parser";
import { resetSession } from "../session/session";
import { printable } from "../sql/sourceText";
import { explainSyncError } from "./syncError";

const shownRows = 10;

/**
 * Builds indexes that a sync needs, without blocking writers.
 * @throws UserError with the rows that stand against uniqueness
 */
export async function buildIndexes(
  work: MigrationRun,
  indexes: readonly SyncIndex[],
): Promise<void> {
  const { client } = work.run.session;
  for (const index of indexes) {
    await ensureNoDuplicates(client, work, index);
    await resetSession(work.run.session);
    const blockedBy: string[] = [];
    try {
      await build(work, index, blockedBy);
    } catch (error) {
      // Somebody may have added a duplicate while the index was being built.
      await ensureNoDuplicates(client, work, index);
      throw explainSyncError(
        error,
        work,
        `building ${index.name} on ${index.table.shown}`,
        blockedBy,
      );
    }
  }
}

async function build(
  work: MigrationRun,
  { table, name, isUnique, elements }: SyncIndex,
  blockedBy: string[],
): Promise<void> {
  const { run, lock, migration, deadlines, onProgress } = work;
  const { client } = run.session;
  const kind = isUnique ? "UNIQUE INDEX" : "INDEX";
  const text = `CREATE ${kind} CONCURRENTLY ${client.escapeIdentifier(name)} ON ${table.sql} (${elements.join(", ")})`;
  const parsed = await parse(text);
  const [statement] = "mistake" in parsed ? [] : parsed.statements;
  if (statement === undefined) throw new Error(`not a statement: ${text}`);
  lock.ensureHeld();
  const recovery = createIndexRecovery(
    { table: { schema: table.schema, name: table.name }, index: name },
    {
      session: run.session,
      statement,
      deadlineSeconds: deadlines.buildSeconds,
      wait: (message) => {
        onProgress({ event: "waiting", migration: migration.id, message });
      },
    },
  );
  if ((await recovery.prepare(true)) !== "act") return;
  onProgress({ event: "statement", migration: migration.id, message: text });
  await client.query(`SET statement_timeout = '${deadlines.buildSeconds}s'`);
  await watchingSnapshots(work, blockedBy, async () => {
    try {
      await client.query(text);
    } catch (error) {
      await recovery.cleanUp();
      throw error;
    }
  });
}

async function ensureNoDuplicates(
  client: Client,
  { migration }: MigrationRun,
  { table, isUnique, elements }: SyncIndex,
): Promise<void> {
  if (!isUnique) return;
  const list = elements.join(", ");
  const { rows } = await client.query<{ shown: unknown; times: string }>(
    `SELECT json_build_array(${list}) AS shown, count(*) AS times FROM ${table.sql}
      WHERE num_nulls(${list}) = 0 GROUP BY ${list} HAVING count(*) > 1
      ORDER BY ${list} LIMIT ${shownRows + 1}`,
  );
  if (rows.length === 0) return;
  throw new UserError(
    `Migration ${migration.id} needs ${list.replaceAll('"', "")} of ${table.shown} to be unique, and it is not.`,
    [
      ...rows
        .slice(0, shownRows)
        .map(({ shown, times }) => `${times} times: ${printable(JSON.stringify(shown))}`),
      ...(rows.length > shownRows ? ["and more"] : []),
    ],
    "make these rows differ or merge them, then run the same command again",
  );
}
