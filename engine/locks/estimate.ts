import type { StatementClass, Work, WorkKind } from "./classification";

/**
 * What a server does in a second, to tell a millisecond from an hour; plans call it an estimate.
 * Rows as measured (docs/decisions/locks.md has the statements); bytes, which decide for wide rows,
 * are assumed.
 */
const perSecond: Readonly<Record<WorkKind, { rows: number; bytes: number }>> = {
  rewrite: { rows: 150_000, bytes: 60_000_000 },
  scan: { rows: 3_500_000, bytes: 400_000_000 },
  index: { rows: 500_000, bytes: 100_000_000 },
  write: { rows: 30_000, bytes: 15_000_000 },
  add: { rows: 30_000, bytes: 15_000_000 },
};

/** Seconds that the work takes, by its rows or its bytes, whichever is longer. */
export function secondsOf({ kind, rows, bytes }: Pick<Work, "kind" | "rows" | "bytes">): number {
  const speed = perSecond[kind];
  return Math.max(rows / speed.rows, bytes / speed.bytes);
}

/** How long others wait, for people: `About 3,000,000 rows: others would wait 2.1 s (an estimate)`. */
export function stallWords({ work, stallSeconds, isOpenEnded }: StatementClass): string {
  if (isOpenEnded) return "How long others would wait is not known";
  const rows = Math.max(0, ...work.filter(({ isNew }) => !isNew).map((one) => one.rows));
  return `About ${shownRows(rows)} rows: others would wait ${shownSeconds(stallSeconds)} (an estimate)`;
}

export function shownRows(rows: number): string {
  return Math.round(rows).toLocaleString("en");
}

/** `3 ms`, `2.1 s`, `12 min`. */
export function shownSeconds(seconds: number): string {
  if (seconds < 0.95) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`;
}
