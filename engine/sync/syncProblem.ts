/** Why a sync cannot be followed on a database as it is. */
export interface SyncProblem {
  /** For people, a sentence. */
  readonly text: string;
  /** Words of SQL: where none of them stands in what runs before, nothing there mends it. */
  readonly mendedBy: readonly string[];
}
