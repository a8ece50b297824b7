import type { Client } from "pg";
import { readJournal } from "./journal/journal";
import { withJournalTransaction } from "./journal/journalWriter";
import { beginRun, endRun } from "./journal/run";
import { withRunLock } from "./session/runLock";
import { type Connect, ensureWritable, readFacts, withSession } from "./session/session";

/**
 * The digests of the releases that this database has accepted, oldest first; none without a journal.
 * @param client a connected session
 */
export async function readAcceptances(client: Client): Promise<string[]> {
  const { rowCount } = await client.query(
    "SELECT FROM pg_tables WHERE schemaname = 'stateful_cd' AND tablename = 'acceptances'",
  );
  if (rowCount === 0) return [];
  const { rows } = await client.query<{ digest: string }>(
    "SELECT release_digest AS digest FROM stateful_cd.acceptances ORDER BY accepted_at",
  );
  return rows.map(({ digest }) => digest);
}

/**
 * Writes into the journal that a release is let in, before the first change that it makes. One that
 * was accepted before stays as it is.
 * @param releaseDigest sha256 over everything the release consists of
 */
export function acceptRelease(
  options: {
    readonly connect: Connect;
    readonly target: string;
    readonly applicationName: string;
    readonly lockDeadlineSeconds: number;
  },
  releaseDigest: string,
): Promise<void> {
  const { connect, target, applicationName, lockDeadlineSeconds: deadlineSeconds } = options;
  return withSession(connect, async (session) => {
    if ((await readAcceptances(session.client)).includes(releaseDigest)) return;
    ensureWritable(session);
    const onProgress = (): void => undefined;
    await withRunLock(session, { connect, deadlineSeconds, onProgress }, async () => {
      const { journalExists } = await readFacts(session.client);
      const journal = journalExists ? await readJournal(session.client) : undefined;
      const run = await beginRun(session, journal, { target, applicationName }, onProgress);
      await withJournalTransaction(run, () =>
        session.client.query(
          "INSERT INTO stateful_cd.acceptances (release_digest, epoch) VALUES ($1, $2)",
          [releaseDigest, run.epoch],
        ),
      );
      await endRun(run);
    });
  });
}
