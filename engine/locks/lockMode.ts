/** PostgreSQL's table locks, weakest first (https://www.postgresql.org/docs/current/explicit-locking.html). */
export const lockModes = [
  "ACCESS SHARE",
  "ROW SHARE",
  "ROW EXCLUSIVE",
  "SHARE UPDATE EXCLUSIVE",
  "SHARE",
  "SHARE ROW EXCLUSIVE",
  "EXCLUSIVE",
  "ACCESS EXCLUSIVE",
] as const;

export type LockMode = (typeof lockModes)[number];

/** The stronger of two, in the order of the list. */
export function strongerOf(one: LockMode, other: LockMode): LockMode {
  return lockModes.indexOf(one) >= lockModes.indexOf(other) ? one : other;
}

/** Whether an application has to wait for it: it conflicts with what INSERT, UPDATE and DELETE take. */
export function isStrong(mode: LockMode): boolean {
  return lockModes.indexOf(mode) >= lockModes.indexOf("SHARE");
}
