import { firstLineOf } from "../../userError";
import { acceptRelease } from "../../engine/acceptance";
import { findJournal, type Journal } from "../../engine/journal/journal";
import { ensureServable } from "../../engine/journal/servable";
import { readMigrations } from "../../engine/files/migrationFolder";
import { acceptDrift, findDrift } from "../../engine/journal/recordedSchema";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { type DatabaseAddress, nameOf } from "../../kube/postgres";
import type { ResourceKind } from "./resourceKind";
import { applyThrough, runOptions, type SchemaInputs, withDatabase } from "./schema";

export interface SchemaBaselineInputs extends SchemaInputs {
  /** The last migration of the baseline; empty without one. */
  readonly through: string;
  /** The chain digest of the baseline's migrations; empty without one. */
  readonly digest: string;
  /** sha256 over everything the release consists of. */
  readonly releaseDigest: string;
  /** The last migration that the release needs. */
  readonly last: string;
  /** In a preview the database to look at; it does not wait for a rollback point as `database` does. */
  readonly previewOf?: DatabaseAddress;
}

export interface SchemaBaselineOutputs {
  /** The schema fingerprint after the baseline; a refresh leaves it. */
  readonly schemaFingerprint?: string;
  /** What a refresh found in the schema that no run of the engine made, a line each. */
  readonly drift: readonly string[];
}

/**
 * The schema as a whole: everything at or before the baseline, and whether the live catalogue is
 * still what the last run of the engine left.
 */
export const schemaBaseline: ResourceKind<SchemaBaselineInputs, SchemaBaselineOutputs> = {
  identify: ({ database }) => `${nameOf(database)}/schema`,
  async check({ previewOf, last }) {
    if (previewOf === undefined) return;
    ensureServable(await journalInPreview(previewOf), last);
  },
  async reconcile(inputs) {
    // First: a release that cannot be served must leave no trace, not even a recorded drift.
    await withDatabase(inputs, async (client) => {
      ensureServable(await findJournal(client), inputs.last);
    });
    for (const line of await acceptDrift(runOptions(inputs))) {
      console.log(`${nameOf(inputs.database)}: recorded a change that no migration made: ${line}`);
    }
    await acceptRelease(runOptions(inputs), inputs.releaseDigest);
    return { schemaFingerprint: await schemaThroughBaseline(inputs), drift: [] };
  },
  async read(inputs) {
    return { drift: await withDatabase(inputs, findDrift) };
  },
};

/** A preview works without the database: then it says what it does not know. */
async function journalInPreview(database: DatabaseAddress): Promise<Journal | undefined> {
  try {
    return await withDatabase({ database, deadlineSeconds: 0 }, findJournal);
  } catch (error) {
    console.log(`whether the release can be served is not known: ${firstLineOf(error)}`);
    return undefined;
  }
}

/** The schema's fingerprint, with everything of the baseline applied. */
async function schemaThroughBaseline(inputs: SchemaBaselineInputs): Promise<string> {
  const { folder, through } = inputs;
  if (through !== "") return applyThrough(inputs, readMigrations(folder), through);
  return (await withDatabase(inputs, schemaFingerprint)).digest;
}
