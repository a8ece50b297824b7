import type { Client } from "pg";
import type { Digest } from "../files/digest";
import { readJournal } from "./journal";
import { withJournalTransaction, type Run, recordFacts } from "./journalWriter";
import { beginRun, endRun } from "./run";
import { withRunLock } from "../session/runLock";
import { diffSchemas, readFingerprint, type SchemaFact } from "../schema/schemaFingerprint";
import { type Connect, ensureWritable, withSession } from "../session/session";
import { withReadOnlyTransaction } from "../session/transaction";

/**
 * What differs between the schema that the last run left and the live one: changes that no
 * migration made, a line each. Empty before the first run.
 * @param client a connected session outside of any transaction
 */
export function findDrift(client: Client): Promise<string[]> {
  return withReadOnlyTransaction(client, async () => {
    const { rows: tables } = await client.query(
      "SELECT FROM pg_tables WHERE schemaname = 'stateful_cd' AND tablename = 'recorded_schema'",
    );
    if (tables.length === 0) return [];
    const { rows } = await client.query<{ facts: SchemaFact[] }>(
      "SELECT facts FROM stateful_cd.recorded_schema",
    );
    const recorded = rows[0]?.facts;
    if (recorded === undefined) return [];
    const { facts } = await readFingerprint(client);
    return diffSchemas(recorded, facts);
  });
}

/**
 * At the end of a run: the schema is what this run left, until something else changes it.
 * @returns its fingerprint
 */
export function recordSchema(run: Run): Promise<Digest> {
  return withJournalTransaction(run, async () => {
    const { digest, facts } = await readFingerprint(run.session.client);
    await recordFacts(run, digest, facts);
    return digest;
  });
}

/**
 * Takes the live schema for the expected one from now on. Returns what differed, for whoever
 * must know; without a difference nothing is written.
 */
export function acceptDrift(options: {
  readonly connect: Connect;
  readonly target: string;
  readonly applicationName: string;
  readonly lockDeadlineSeconds: number;
}): Promise<string[]> {
  const { connect, target, applicationName, lockDeadlineSeconds: deadlineSeconds } = options;
  return withSession(connect, async (session) => {
    const drift = await findDrift(session.client);
    if (drift.length === 0) return [];
    ensureWritable(session);
    const onProgress = (): void => undefined;
    return withRunLock(session, { connect, deadlineSeconds, onProgress }, async () => {
      const journal = await readJournal(session.client);
      const run = await beginRun(session, journal, { target, applicationName }, onProgress);
      await recordSchema(run);
      await endRun(run);
      return drift;
    });
  });
}
