import { runAlone } from "./aloneStep";
import { isConnectionLoss, sqlState, stateOf } from "../session/databaseErrors";
import { type FileRun, keyOf } from "../journal/fileContext";
import type { JournalMigration } from "../journal/journal";
import {
  advance,
  asRunner,
  finishStep,
  recordBegin,
  recordWhole,
  withJournalTransaction,
} from "../journal/journalWriter";
import { whatStandsAgainst } from "../journal/blamedRepeatables";
import { type BegunRewrite, findRewrite } from "../journal/rewrites";
import type { StatementClass } from "../locks/classification";
import { classesOf } from "../locks/classesOf";
import { ensureHarmless, planFile } from "../locks/filePlan";
import { statementsOf } from "../files/migrationStatements";
import { keepsSession } from "../sql/keepsSession";
import type { Statement } from "../sql/parser";
import { type Segment, segmentsOf } from "../sql/segments";
import { ensureSameStatement, runInParts } from "./partsStep";
import { resetSession } from "../session/session";
import { together } from "../session/together";
import { explainStatementError } from "../session/statementError";
import { keptOf, runTransaction, StatementFailure } from "./transactionStep";

/**
 * Applies what is left of a file, segment by segment, each together with its journal row, and takes
 * the migration from pending or expanding to `goal`. A file that is one transaction leaves no
 * trace until it is done.
 */
export async function applyFile(
  context: FileRun,
  applied: JournalMigration | undefined,
  goal: "done" | "expanded",
): Promise<void> {
  const { run, migration, file } = context;
  const { client } = run.session;
  const statements = await statementsOf(file);
  const steps = applied?.steps.filter(({ phase }) => phase === file.phase) ?? [];
  const finished = steps.filter(({ state }) => state === "done");
  const interrupted = steps.find(({ state }) => state === "running")?.firstStatement;
  const doneThrough = Math.max(0, ...finished.map(({ lastStatement }) => lastStatement));
  let remaining = statements.slice(doneThrough);

  await resetSession(run.session);
  await restoreSettings(context, statements.slice(0, doneThrough));
  run.newRelations.beginFile();
  const newRelations = run.newRelations.copy();
  const plan = await planFile(client, file, remaining, newRelations);
  ensureHarmless(migration.id, file, plan);
  const begun = await begunRewrite(context, remaining, interrupted);
  const inParts = new Map(plan.inParts);
  if (begun !== undefined && interrupted !== undefined) inParts.set(interrupted, begun.rewrite);
  const alone = new Set(interrupted === undefined || begun !== undefined ? [] : [interrupted]);
  let isBegun = false;
  while (remaining.length > 0) {
    const segments = segmentsOf(remaining, alone, { inParts, splits: plan.splits });
    const [segment] = segments;
    if (segment === undefined) break;
    const isWhole = applied === undefined && !isBegun && segments.length === 1;
    if (isWhole && segment.alone === undefined) {
      const keeps =
        !run.session.hasHiddenCalls && segment.statements.every(({ tree }) => keepsSession(tree));
      const write = (): Promise<void> =>
        recordWhole(run, migration, file, statements.length, goal, keeps);
      const record = keeps ? write : () => asRunner(run, write);
      // Nothing has happened since the plan was made: what it knows need not be asked again.
      run.newRelations.adopt(newRelations);
      if (!(await tryTransaction(context, segment, plan.classes, alone, record))) continue;
      run.session.isReset = keeps;
      return;
    }
    if (!isBegun) await withJournalTransaction(run, () => recordBegin(run, migration, file));
    isBegun = true;
    const isLast = segments.length === 1;
    const record = (): Promise<void> =>
      together(
        client,
        () => finishStep(run, keyOf(context, segment)),
        ...(isLast ? [() => advance(run, migration.id, "expanding", goal)] : []),
      );
    const rewrite = segment.alone?.action === "parts" ? inParts.get(segment.first) : undefined;
    if (rewrite !== undefined) {
      const resumed = segment.first === interrupted ? begun : undefined;
      await runInParts(context, segment, {
        rewrite,
        begun: resumed,
        of: statements.length,
        record,
      });
    } else if (segment.alone !== undefined) {
      const resumed = segment.first === interrupted;
      await runAlone(context, segment, { resumed, of: statements.length, record });
    } else {
      const classes = await classesOf(client, segment.statements, run.newRelations);
      if (!(await tryTransaction(context, segment, classes, alone, () => asRunner(run, record))))
        continue;
    }
    if (isLast) return;
    remaining = remaining.filter(({ number }) => number > segment.last);
  }
  // A correction may have cut off all that was left.
  await withJournalTransaction(run, async () => {
    await recordBegin(run, migration, file);
    await advance(run, migration.id, "expanding", goal);
  });
}

/** The rewrite that a crash has interrupted, with the statement that it stands for. */
async function begunRewrite(
  context: FileRun,
  remaining: readonly Statement[],
  interrupted: number | undefined,
): Promise<BegunRewrite | undefined> {
  const { run, migration, file } = context;
  if (interrupted === undefined) return undefined;
  const key = { migration: migration.id, phase: file.phase, first: interrupted };
  const begun = await findRewrite(run.session.client, key);
  if (begun !== undefined) {
    const statement = remaining.find(({ number }) => number === interrupted);
    ensureSameStatement(context, statement, begun);
  }
  return begun;
}

/**
 * Runs a segment as a transaction. Some statements can only be told by trying to need to run
 * alone (a procedure that commits): their number is added to `alone` and false returned.
 */
async function tryTransaction(
  context: FileRun,
  segment: Segment,
  classes: readonly StatementClass[],
  alone: Set<number>,
  record: () => Promise<void>,
): Promise<boolean> {
  const { run, migration, file } = context;
  const all = await statementsOf(file);
  try {
    await runTransaction(context, segment, classes, all.length, record);
    return true;
  } catch (failure) {
    if (!(failure instanceof StatementFailure)) throw failure;
    const { statement, error, extra } = failure;
    const state = stateOf(error);
    const needsNone = state === sqlState.activeTransaction || state === sqlState.invalidTermination;
    if (needsNone && segment.begin === undefined && statement !== undefined) {
      alone.add(statement.number);
      return false;
    }
    const position = { migration: migration.id, file, of: all.length };
    // COMMIT is on its way behind the last statement; what the server says of that comes before it.
    const isSent =
      statement === undefined || (statement === segment.statements.at(-1) && state === undefined);
    const against = await whatStandsAgainst(run.session.client, error);
    throw explainStatementError(
      error,
      statement === undefined ? position : { ...position, statement },
      isSent && isConnectionLoss(error)
        ? "Whether it was kept is in the journal: the next run looks there."
        : keptOf(segment),
      [...extra, ...against],
    );
  }
}

/** SET statements of a file hold until its end; a session that takes over half way needs them too. */
async function restoreSettings({ run }: FileRun, done: readonly Statement[]): Promise<void> {
  for (const { kind, text } of done) {
    if (kind === "VariableSetStmt" && !/^set\s+local\b/i.test(text)) {
      await run.session.client.query(text);
    }
  }
}
