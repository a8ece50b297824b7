import type { Client } from "pg";
import type { Run, StepKey } from "./journalWriter";
import { fencedWrite } from "./journalWriter";

/** One part of a rewrite. */
export interface RewritePart {
  /** One transaction; a single one where it runs alone. */
  readonly statements: readonly string[];
  /** PostgreSQL refuses it in a transaction: an index that is built concurrently. */
  readonly alone: boolean;
  /** What takes it back; undefined when nothing does. */
  readonly undo?: readonly string[];
}

/** What is run instead of a statement: the same in the end, without long locks on the way. */
export interface Rewrite {
  /** For people: `NOT VALID, then VALIDATE`. */
  readonly how: string;
  readonly parts: readonly RewritePart[];
}

/** A rewrite that an earlier run has begun. */
export interface BegunRewrite {
  /** The statement as it stood then. */
  readonly statement: string;
  readonly rewrite: Rewrite;
  /** How many of its parts are done. */
  readonly done: number;
}

/**
 * What takes back parts, the last one first.
 * @returns undefined where one of them cannot be taken back
 */
export function undoOf(parts: readonly RewritePart[]): string[] | undefined {
  const statements: string[] = [];
  for (const { undo } of [...parts].reverse()) {
    if (undo === undefined) return undefined;
    statements.push(...undo);
  }
  return statements;
}

/** In the transaction of startStep: from here on its parts are what is run, whatever the catalog says. */
export function beginRewrite(
  run: Run,
  step: StepKey,
  statement: string,
  rewrite: Rewrite,
): Promise<void> {
  return fencedWrite(
    run,
    `INSERT INTO stateful_cd.rewrites (migration, phase, first_statement, statement, rewrite)
       SELECT $2, $3, $4, $5, $6 FROM fence`,
    [step.migration, step.phase, step.first, statement, JSON.stringify(rewrite)],
  );
}

/** In the transaction of the part itself, where it has one. */
export function advanceRewrite(run: Run, step: StepKey, done: number): Promise<void> {
  return fencedWrite(
    run,
    `UPDATE stateful_cd.rewrites SET done = done + 1 FROM fence
      WHERE migration = $2 AND phase = $3 AND first_statement = $4 AND done = $5`,
    [step.migration, step.phase, step.first, done],
  );
}

/** In the transaction that finishes the step. */
export function endRewrite(run: Run, step: StepKey): Promise<void> {
  return fencedWrite(
    run,
    `DELETE FROM stateful_cd.rewrites USING fence
      WHERE migration = $2 AND phase = $3 AND first_statement = $4`,
    [step.migration, step.phase, step.first],
  );
}

/** undefined when the step is none that is carried out in parts. */
export async function findRewrite(
  client: Client,
  step: Pick<StepKey, "migration" | "phase" | "first">,
): Promise<BegunRewrite | undefined> {
  const { rows } = await client.query<BegunRewrite>(
    `SELECT statement, rewrite, done FROM stateful_cd.rewrites
      WHERE migration = $1 AND phase = $2 AND first_statement = $3`,
    [step.migration, step.phase, step.first],
  );
  return rows[0];
}
