import type { LockMode } from "./lockMode";

/** A table that exists, and the strongest lock that some work takes on it. */
export interface LockNeed {
  /** As people see it: `public.orders`. */
  readonly name: string;
  /** The same, quoted where SQL needs it. */
  readonly sql: string;
  readonly oid: string;
  readonly mode: LockMode;
  /** Whether partitions and heirs are locked with it. */
  readonly withChildren: boolean;
}

/** Source: table 13.2 of https://www.postgresql.org/docs/current/explicit-locking.html */
const conflicts: Readonly<Record<LockMode, readonly LockMode[]>> = {
  "ACCESS SHARE": ["ACCESS EXCLUSIVE"],
  "ROW SHARE": ["EXCLUSIVE", "ACCESS EXCLUSIVE"],
  "ROW EXCLUSIVE": ["SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"],
  "SHARE UPDATE EXCLUSIVE": [
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
  ],
  SHARE: [
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
  ],
  "SHARE ROW EXCLUSIVE": [
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
  ],
  EXCLUSIVE: [
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
  ],
  "ACCESS EXCLUSIVE": [
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
  ],
};

/** The modes that keep a request for `mode` waiting, as pg_locks spells them. */
export function conflictsOf(mode: LockMode): string[] {
  return conflicts[mode].map((held) => {
    const words = held.toLowerCase().split(" ");
    return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")}Lock`;
  });
}
