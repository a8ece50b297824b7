import { DatabaseError } from "pg";
import { UserError } from "../../userError";
import { explainStatementError } from "../session/statementError";
import { type FileRun, keyOf } from "../journal/fileContext";
import { startStep, withJournalTransaction } from "../journal/journalWriter";
import {
  advanceRewrite,
  beginRewrite,
  type BegunRewrite,
  endRewrite,
  type Rewrite,
  type RewritePart,
} from "../journal/rewrites";
import { parse, type Statement } from "../sql/parser";
import type { Segment } from "../sql/segments";
import { excerpt, headOf } from "../sql/sourceText";
import { actAlone } from "./aloneStep";
import { type Parts, runShort, takeBack } from "./shortPart";

interface PartsRun {
  readonly rewrite: Rewrite;
  /** What an earlier run has begun. */
  readonly begun: BegunRewrite | undefined;
  readonly of: number;
  /** Writes the journal's rows once the statement has taken effect. */
  readonly record: () => Promise<void>;
}

/**
 * Carries out a statement in parts, each of which holds others up for a moment only. The journal
 * has the parts before the first one runs, and counts each in that part's own transaction: after
 * a crash at any point the next run goes on with the next part.
 */
export async function runInParts(
  context: FileRun,
  segment: Segment,
  { rewrite, begun, of, record }: PartsRun,
): Promise<void> {
  const { run, migration, file, onProgress, lock } = context;
  const [statement] = segment.statements;
  if (statement === undefined) return;
  const key = keyOf(context, segment);
  lock.ensureHeld();
  await withJournalTransaction(run, async () => {
    await startStep(run, key);
    if (begun === undefined) await beginRewrite(run, key, statement.text, rewrite);
  });
  const [place = file.shownPath, ...lines] = excerpt(file, statement.offset);
  const parts: Parts = {
    context,
    key,
    rewrite,
    where: [`${place} (statement ${statement.number} of ${of})`, ...lines],
    blockedBy: [],
  };
  let done = begun?.done ?? 0;
  try {
    for (const part of rewrite.parts.slice(done)) {
      const [first = ""] = part.statements;
      const message = `statement ${statement.number} of ${of}, part ${done + 1} of ${rewrite.parts.length}: ${headOf(first)}`;
      onProgress({ event: "statement", migration: migration.id, message });
      await runPart(parts, part, done);
      done++;
    }
  } catch (error) {
    const kept = await takeBack(parts, done, error);
    const position = { migration: migration.id, file, statement, of };
    const extra = [...nullIn(error, rewrite), ...new Set(parts.blockedBy)];
    throw explainStatementError(error, position, kept, extra);
  }
  await withJournalTransaction(run, async () => {
    await endRewrite(run, key);
    await record();
  });
}

/** SET NOT NULL fails by a CHECK that the author has never heard of. */
function nullIn(error: unknown, { parts }: Rewrite): string[] {
  if (!(error instanceof DatabaseError) || error.constraint === undefined) return [];
  const { constraint } = error;
  const check = parts
    .flatMap(({ statements }) => statements)
    .find(
      (text) => text.includes(`"${constraint}" CHECK (`) && text.endsWith("IS NOT NULL) NOT VALID"),
    );
  const column = /CHECK \((.*) IS NOT NULL\) NOT VALID$/.exec(check ?? "")?.[1];
  return column === undefined
    ? []
    : [`Column ${column} holds a NULL: that CHECK proves SET NOT NULL.`];
}

async function runPart(parts: Parts, part: RewritePart, done: number): Promise<void> {
  const { context, key, blockedBy } = parts;
  const { run } = context;
  if (!part.alone) {
    await runShort(parts, done, part.statements, () => advanceRewrite(run, key, done));
    return;
  }
  const statement = await onlyStatement(part);
  const { standing } = statement;
  if (standing.standing !== "alone") throw new Error(`cannot run alone: ${statement.text}`);
  await actAlone(context, statement, standing.alone, true, blockedBy);
  await withJournalTransaction(run, () => advanceRewrite(run, key, done));
}

async function onlyStatement({ statements }: RewritePart): Promise<Statement> {
  const [text = ""] = statements;
  const parsed = await parse(text);
  const [statement] = "mistake" in parsed ? [] : parsed.statements;
  if (statement === undefined) throw new Error(`not a statement: ${text}`);
  return statement;
}

/** @throws UserError when a file says something else than what is half done */
export function ensureSameStatement(
  { file, migration }: FileRun,
  statement: Statement | undefined,
  begun: BegunRewrite,
): void {
  if (statement?.text === begun.statement) return;
  const place = statement === undefined ? [file.shownPath] : excerpt(file, statement.offset);
  throw new UserError(
    `Migration ${migration.id} has a statement that is half done, and its file was edited there.`,
    [
      ...place,
      `half done: ${headOf(begun.statement)}`,
      `${begun.done} of ${begun.rewrite.parts.length} parts are done (${begun.rewrite.how}).`,
    ],
    "restore the statement in the file, then run the same command again",
  );
}
