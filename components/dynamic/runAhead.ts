import { chainDigest } from "../../engine/files/digest";
import type { Migration } from "../../engine/files/migration";
import { applyThrough, type SchemaInputs } from "./schema";

/** Migrations that a run may go on with, as they were planned. */
export interface AheadInputs {
  /** The last of them. */
  readonly through: string;
  /** The chain digest of all of them. */
  readonly digest: string;
}

/** What identifies a migration's resource, and what follows it. */
export interface RunInputs extends SchemaInputs {
  readonly migration: string;
  readonly digest: string;
  readonly ahead?: AheadInputs;
}

/** How a migration ended in the run of an earlier one. */
type Known = { readonly digest: string } & (
  { readonly schemaFingerprint: string } | { readonly error: unknown }
);

const known = new Map<string, Known>();

/**
 * How a migration ended in the run of an earlier resource of this `up`, told once: asked again, it is
 * looked up in the database.
 */
export function takeKnown(inputs: RunInputs): Known | undefined {
  const key = keyOf(inputs, inputs.migration);
  const found = known.get(key);
  known.delete(key);
  return found?.digest === inputs.digest ? found : undefined;
}

/** @throws what the migration's run has thrown */
export function fingerprintIn(found: Known): string {
  if ("error" in found) throw found.error;
  return found.schemaFingerprint;
}

/**
 * Applies a migration, and in the same run the plain ones that directly follow it: a run's locks, its
 * comparison of the whole history and its sessions cost more than most migrations. Each is still a
 * resource of its own, and one that fails fails there.
 * @returns the schema's fingerprint after the migration
 */
export async function applyAhead(
  inputs: RunInputs,
  migrations: readonly Migration[],
): Promise<string> {
  const { migration: own } = inputs;
  const group = asPlanned(inputs, migrations);
  const last = group.at(-1);
  if (last === undefined) return applyThrough(inputs, migrations, own);
  const fingerprints = new Map<string, string>();
  let begun = own;
  const remember = (id: string, how: { schemaFingerprint: string } | { error: unknown }): void => {
    const { digest } = group.find((one) => one.id === id) ?? {};
    if (digest !== undefined) known.set(keyOf(inputs, id), { digest, ...how });
  };
  let after: string | undefined;
  try {
    after = await applyThrough(inputs, migrations, last.id, {
      onProgress: ({ event, migration }) => {
        if (event === "begun" && migration !== undefined) begun = migration;
      },
      onApplied: (id, fingerprint) => {
        fingerprints.set(id, fingerprint);
        remember(id, { schemaFingerprint: fingerprint });
      },
    });
  } catch (error) {
    if (begun === own) throw error;
    remember(begun, { error });
  }
  return fingerprints.get(own) ?? after ?? applyThrough(inputs, migrations, own);
}

/** What may be run as well: nothing where a file has changed since the plan. */
function asPlanned(
  { migration, ahead }: RunInputs,
  migrations: readonly Migration[],
): readonly Migration[] {
  if (ahead === undefined) return [];
  const place = (id: string): number => migrations.findIndex((one) => one.id === id) + 1;
  const group = migrations.slice(place(migration), place(ahead.through));
  return chainDigest(group) === ahead.digest ? group : [];
}

function keyOf({ database, folder }: SchemaInputs, id: string): string {
  return JSON.stringify([database, folder, id]);
}
