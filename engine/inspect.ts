import type { Client } from "pg";
import { isSettled, type MigrationState, readJournal } from "./journal/journal";
import type { Migration } from "./files/migration";
import { readFingerprint, type SchemaFact } from "./schema/schemaFingerprint";
import { readFacts } from "./session/session";
import { withReadOnlyTransaction } from "./session/transaction";
import type { Digest } from "./files/digest";

/** What a database really is, for a refresh to compare with what was declared. */
export interface Inspection {
  readonly journal?: {
    readonly id: string;
    readonly version: number;
    readonly epoch: string;
    readonly target?: string;
  };
  readonly migrations: readonly InspectedMigration[];
  /** Migrations of the journal that the folder does not have. */
  readonly unknownMigrations: readonly string[];
  readonly schemaFingerprint: Digest;
  /** What the schema fingerprint is the digest of; see diffSchemas. */
  readonly schemaFacts: readonly SchemaFact[];
  /** `schema.index on schema.table`; a build that failed or is under way. */
  readonly invalidIndexes: readonly string[];
  /** `constraint on schema.table` that was added NOT VALID and never validated. */
  readonly unvalidatedConstraints: readonly string[];
}

export interface InspectedMigration {
  readonly id: string;
  readonly state: MigrationState;
  /** Of the folder's files. */
  readonly digest: Digest;
  /** Files whose text is not the one that was applied, and files that are missing. */
  readonly editedFiles: readonly string[];
}

/**
 * Reads a database without writing or locking anything, in one snapshot.
 * @param client a connected session outside of any transaction
 */
export function inspectSchema(
  client: Client,
  migrations: readonly Migration[],
): Promise<Inspection> {
  return withReadOnlyTransaction(client, async () => {
    const { journalExists } = await readFacts(client);
    const journal = journalExists ? await readJournal(client) : undefined;
    const inspected = migrations.map((migration) => {
      const applied = journal?.migrations.get(migration.id);
      const state = applied?.state ?? ("pending" as const);
      const files = isSettled(state) ? (applied?.files ?? []) : [];
      const edited = files.filter(
        ({ path, digest }) => migration.files.find((file) => file.path === path)?.digest !== digest,
      );
      const { id, digest } = migration;
      return { id, state, digest, editedFiles: edited.map(({ path }) => path) };
    });
    const known = new Set(migrations.map(({ id }) => id));
    const fingerprint = await readFingerprint(client);
    return {
      ...(journal && {
        journal: {
          id: journal.id,
          version: journal.version,
          epoch: journal.epoch,
          ...(journal.target === null ? {} : { target: journal.target }),
        },
      }),
      migrations: inspected,
      unknownMigrations: [...(journal?.migrations.values() ?? [])]
        .filter(({ id, state }) => !known.has(id) && state !== "aborted")
        .map(({ id }) => id),
      schemaFingerprint: fingerprint.digest,
      schemaFacts: fingerprint.facts,
      invalidIndexes: await namesOf(
        client,
        `SELECT format('%s on %s', indexrelid::regclass, indrelid::regclass) AS name
           FROM pg_index WHERE NOT indisvalid`,
      ),
      unvalidatedConstraints: await namesOf(
        client,
        `SELECT format('%I on %s', conname, conrelid::regclass) AS name
           FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0`,
      ),
    };
  });
}

async function namesOf(client: Client, query: string): Promise<string[]> {
  await client.query("SET LOCAL search_path = pg_catalog");
  const { rows } = await client.query<{ name: string }>(query);
  return rows.map(({ name }) => name).sort();
}
