import type { StatementClass, WorkKind } from "./classification";
import { shownRows, shownSeconds } from "./estimate";
import type { FilePlan } from "./filePlan";
import { isStrong, type LockMode } from "./lockMode";

/** What a plan tells of a statement; all figures are estimates. */
export interface StatementEffects {
  /** Tables of before this run, by the strongest lock first. */
  readonly locks: readonly { readonly relation: string; readonly mode: LockMode }[];
  readonly work: readonly {
    readonly kind: WorkKind;
    readonly relation: string;
    readonly why: string;
    readonly rows: number;
    readonly bytes: number;
  }[];
  readonly rewrite: boolean;
  readonly scan: boolean;
  /** The largest number of rows that it goes through. */
  readonly rows: number;
  readonly seconds: number;
  /** How long others may wait, once it is run as `runAs` says. */
  readonly stallSeconds: number;
  /** How it is carried out instead of as written. */
  readonly runAs?: string;
  /** A new transaction begins with it. */
  readonly splits: boolean;
  readonly unknown?: string;
}

export const noEffects: StatementEffects = {
  locks: [],
  work: [],
  rewrite: false,
  scan: false,
  rows: 0,
  seconds: 0,
  stallSeconds: 0,
  splits: false,
};

export function effectsOf(found: StatementClass, plan: FilePlan): StatementEffects {
  const { statement, relations, seconds, rewrite, scan, unknown } = found;
  const instead = plan.inParts.get(statement.number)?.how;
  const work = found.work.filter(({ isNew }) => !isNew);
  return {
    locks: relations
      .filter(({ isNew }) => !isNew)
      .map(({ name: relation, mode }) => ({ relation, mode }))
      .sort((one, other) => Number(isStrong(other.mode)) - Number(isStrong(one.mode))),
    work: work.map(({ kind, relation, why, rows, bytes }) => ({
      kind,
      relation,
      why,
      rows: Math.round(rows),
      bytes,
    })),
    rewrite,
    scan,
    rows: Math.round(Math.max(0, ...work.map(({ rows }) => rows))),
    seconds,
    stallSeconds: instead === undefined ? found.stallSeconds : 0,
    splits: plan.splits.has(statement.number),
    ...(instead === undefined ? {} : { runAs: instead }),
    ...(unknown === undefined ? {} : { unknown }),
  };
}

const doing: Readonly<Record<WorkKind, string>> = {
  rewrite: "writes anew",
  scan: "reads",
  index: "indexes",
  write: "changes",
  add: "adds to",
};

/** The same for people, a line a fact; none for a statement that holds nobody up. */
export function effectLines(effects: StatementEffects): string[] {
  const { locks, work, seconds, stallSeconds, runAs, splits, unknown } = effects;
  const strong = locks.filter(({ mode }) => mode !== "ACCESS SHARE");
  const lines = strong.map(({ relation, mode }) => `locks ${relation}: ${mode}`);
  for (const { kind, relation, why, rows } of work) {
    lines.push(`${doing[kind]} ${relation}, about ${shownRows(rows)} rows: ${why}`);
  }
  if (work.length > 0) {
    const isWaitedFor = work.some(({ kind }) => kind === "write");
    const without = isWaitedFor ? "who changes the same rows waits as long" : "nobody waits";
    const stall = stallSeconds > 0 ? `others wait ${shownSeconds(stallSeconds)}` : without;
    lines.push(`takes about ${shownSeconds(seconds)}, ${stall} (estimates)`);
  }
  if (runAs !== undefined) lines.push(`runs in parts: ${runAs}`);
  if (splits) lines.push("begins a transaction of its own: the one before would hold its locks");
  if (unknown !== undefined) lines.push(`not known: ${unknown}`);
  return lines;
}
