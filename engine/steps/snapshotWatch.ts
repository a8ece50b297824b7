import { watchingBlockers } from "../locks/blockers";
import { oldestSnapshot } from "../locks/oldestSnapshot";
import { isConnectionLoss } from "../session/databaseErrors";
import type { MigrationRun } from "../journal/fileContext";

/**
 * Runs what waits for transactions that are older than itself, as everything CONCURRENTLY does, on
 * any table of the database. Whose snapshot is the oldest is told before it begins, for it may work
 * for hours before it waits; then everybody it waits for, once.
 * @param blockedBy gets a line for everybody it has waited for; and, when it fails, for who holds the
 *   oldest snapshot then
 */
export async function watchingSnapshots(
  { run, lock, migration, onProgress }: MigrationRun,
  blockedBy: string[],
  work: () => Promise<void>,
): Promise<void> {
  const told = new Set<string>();
  const tell = (pid: number | null, message: string): void => {
    if (told.has(String(pid))) return;
    told.add(String(pid));
    onProgress({ event: "waiting", migration: migration.id, message });
  };
  const oldest = await oldestSnapshot(run.session.client);
  if (oldest !== undefined) {
    const message = `the oldest snapshot, which has to end first, is held by ${oldest.description}`;
    onProgress({ event: "waiting", migration: migration.id, message });
  }
  await watchingBlockers(
    lock.session,
    run.session,
    async (seen) => {
      try {
        await work();
      } catch (error) {
        blockedBy.push(...seen.blockers.map(({ description }) => `waited for ${description}`));
        const still = isConnectionLoss(error)
          ? undefined
          : await oldestSnapshot(run.session.client);
        if (still !== undefined && !seen.blockers.some(({ pid }) => pid === still.pid)) {
          blockedBy.push(`the oldest snapshot is held by ${still.description}`);
        }
        throw error;
      }
    },
    (found) => {
      for (const { pid, description } of found) tell(pid, `waiting for ${description}`);
    },
  );
}
