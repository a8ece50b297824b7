import type { Work, WorkKind } from "./classification";

/**
 * What a server does in a second, to tell a millisecond from an hour; plans call it an estimate.
 * Measured with PostgreSQL 15 on two shared cores, table of 3,000,000 rows in memory: see
 * docs/decisions/locks.md for the statements.
 */
const perSecond: Readonly<Record<WorkKind, { rows: number; bytes: number }>> = {
  rewrite: { rows: 1_000_000, bytes: 60_000_000 },
  scan: { rows: 6_000_000, bytes: 400_000_000 },
  index: { rows: 1_500_000, bytes: 120_000_000 },
  write: { rows: 150_000, bytes: 15_000_000 },
};

/** Seconds that the work takes, by its rows or its bytes, whichever is longer. */
export function secondsOf({ kind, rows, bytes }: Pick<Work, "kind" | "rows" | "bytes">): number {
  const speed = perSecond[kind];
  return Math.max(rows / speed.rows, bytes / speed.bytes);
}
