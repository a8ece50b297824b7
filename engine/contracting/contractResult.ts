import type { Journal, MigrationState } from "../journal/journal";
import type { Migration } from "../files/migration";

export interface ContractResult {
  /** The migrations asked for that have a contract, in order. */
  readonly migrations: readonly ContractedMigration[];
  /** A line a migration that waits: its name and why. Empty when all are done. */
  readonly waiting: readonly string[];
}

export interface ContractedMigration {
  readonly id: string;
  readonly state: MigrationState;
  /** Whether this run has done it. */
  readonly contracted: boolean;
  /** Why it is not done. */
  readonly waiting?: string;
}

export function stateIn(journal: Journal | undefined, id: string): MigrationState {
  return journal?.migrations.get(id)?.state ?? "pending";
}

/** @param waits why the first one that is not done waits; those after it wait for it */
export function resultOf(
  phased: readonly Migration[],
  journal: Journal | undefined,
  contracted: ReadonlySet<string>,
  waits?: string,
): ContractResult {
  let reason = waits;
  const migrations = phased.map(({ id }) => {
    const state = stateIn(journal, id);
    const found = { id, state, contracted: contracted.has(id) };
    if (state === "done" || reason === undefined) return found;
    const waiting = reason;
    reason = waits === reason ? `waits for ${id}` : reason;
    return { ...found, waiting };
  });
  const lines = migrations.flatMap((found) =>
    "waiting" in found ? [`${found.id}: ${found.waiting}`] : [],
  );
  return { migrations, waiting: lines };
}
