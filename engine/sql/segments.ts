import type { Statement } from "./parser";
import type { AloneAction } from "./statement";

/** Statements that succeed or fail together: one transaction, or one statement that runs alone. */
export interface Segment {
  /** Numbers of the first and the last statement, the file's own BEGIN and COMMIT included. */
  readonly first: number;
  readonly last: number;
  /** What is sent, without the file's own BEGIN and COMMIT. */
  readonly statements: readonly Statement[];
  /** The file's own BEGIN with its options. */
  readonly begin?: string;
  readonly alone?: AloneAction;
}

/** What lock analysis asks of the division, by numbers of statements. */
export interface Division {
  /** Carried out in parts, none of them in the file's transaction. */
  readonly inParts: { has: (number: number) => boolean };
  /** A transaction of their own begins with them. */
  readonly splits: ReadonlySet<number>;
}

const undivided: Division = { inParts: new Set(), splits: new Set() };

/**
 * Divides a file into segments. Without any statement that must run alone and without a BEGIN of
 * its own, a file is one segment.
 * @param alone numbers of statements that turned out, by the server's word, to need to run alone
 */
export function segmentsOf(
  statements: readonly Statement[],
  alone: ReadonlySet<number> = new Set(),
  { inParts, splits }: Division = undivided,
): Segment[] {
  const segments: Segment[] = [];
  let open: Statement[] = [];
  let begin: Statement | undefined;
  const close = (last?: Statement): void => {
    const [first] = begin === undefined ? open : [begin];
    const end = last ?? open.at(-1);
    if (first !== undefined && end !== undefined) {
      segments.push({
        first: first.number,
        last: end.number,
        statements: open,
        ...(begin === undefined ? {} : { begin: begin.text }),
      });
    }
    open = [];
    begin = undefined;
  };
  for (const statement of statements) {
    const { number, standing } = statement;
    if (standing.standing === "begin") {
      close();
      begin = statement;
    } else if (standing.standing === "commit") {
      close(statement);
    } else if (begin === undefined && inParts.has(number)) {
      close();
      const action = { action: "parts" as const };
      segments.push({ first: number, last: number, statements: [statement], alone: action });
    } else if (begin === undefined && (standing.standing === "alone" || alone.has(number))) {
      close();
      const action =
        standing.standing === "alone" ? standing.alone : { action: "unknown" as const };
      segments.push({ first: number, last: number, statements: [statement], alone: action });
    } else {
      if (begin === undefined && splits.has(number)) close();
      open.push(statement);
    }
  }
  close();
  return segments;
}
