import { errorText } from "../../userError";
import type { OrderedRepeatable } from "../files/repeatableOrder";
import type { LockingRun } from "../journal/fileContext";
import { asRunner } from "../journal/journalWriter";
import { type AppliedRepeatable, recordRepeatable } from "../journal/repeatables";
import { classesOf } from "../locks/classesOf";
import type { StatementClass } from "../locks/classification";
import type { LockAttempt } from "../locks/lockAttempt";
import type { LockNeed } from "../locks/lockNeed";
import { longestTableWait, retryWhileBlocked } from "../locks/shortLock";
import { strongNeeds, tableNeeds } from "../locks/strongNeeds";
import type { ObjectAddress } from "../schema/objectAddresses";
import { type ObjectFacts, readObjects } from "../schema/objectFacts";
import { beginReadWrite, withReadOnlyTransaction, withTransaction } from "../session/transaction";
import { parse, type Statement } from "../sql/parser";
import { excerpt, headOf } from "../sql/sourceText";
import { rowsOf } from "./journalRows";
import { restoreMade } from "./restore";

/** Files that are run in one transaction, in order. */
export interface Group {
  readonly files: readonly OrderedRepeatable[];
  /** Objects that are dropped first, in order: the files make them again. */
  readonly doomed: readonly ObjectAddress[];
}

/** An error and what met it; no statement at COMMIT, and at the drop of an object. */
export class GroupFailure extends Error {
  constructor(
    readonly error: unknown,
    readonly one: OrderedRepeatable,
    readonly statement: Statement | undefined,
    readonly drop: string | undefined,
    readonly extra: readonly string[] = [],
  ) {
    super(errorText(error));
  }
}

/**
 * Runs the files of a group and writes their journal rows in one transaction, again and again while
 * others hold what it locks. Who reads a view that is made anew waits for it, and never misses it.
 * @param applied what the journal has of each path
 * @throws GroupFailure, or StillBlocked when it could not even begin
 */
export async function runGroup(
  work: LockingRun,
  group: Group,
  applied: ReadonlyMap<string, AppliedRepeatable>,
): Promise<void> {
  const classes = await classesIn(work, group);
  const tables = tableNeeds(classes);
  await retryWhileBlocked(work, {
    needs: strongNeeds(classes),
    longestWait: longestTableWait,
    where: placeOf(group),
    kept: [nothingKept],
    attempt: (locks, takesFirst) =>
      attemptOnce(work, group, applied, locks, takesFirst ? tables : []),
    causeOf: (failure) => (failure instanceof GroupFailure ? failure.error : undefined),
    giveUp: (failure, extra) =>
      failure instanceof GroupFailure
        ? new GroupFailure(failure.error, failure.one, failure.statement, failure.drop, extra)
        : failure,
  });
}

export const nothingKept = "Nothing of it was kept: its transaction was rolled back.";

async function classesIn({ run }: LockingRun, group: Group): Promise<StatementClass[]> {
  const { client } = run.session;
  const newRelations = run.newRelations.copy();
  const doomed =
    group.doomed.length === 0
      ? []
      : await withReadOnlyTransaction(client, () => readObjects(client, group.doomed));
  const drops = await parse(doomed.map(dropOf).join(";\n"));
  if ("mistake" in drops) throw new Error(drops.mistake.problem);
  const all = [drops.statements, ...group.files.map(({ statements }) => statements)];
  const classes: StatementClass[] = [];
  for (const statements of all)
    classes.push(...(await classesOf(client, statements, newRelations)));
  return classes;
}

function placeOf({ files: [first] }: Group): string[] {
  return first === undefined ? [] : excerpt(first.file, first.statements[0]?.offset ?? 0);
}

function dropOf({ ddl }: ObjectFacts): string {
  return `DROP ${ddl}`;
}

async function attemptOnce(
  work: LockingRun,
  { files, doomed }: Group,
  applied: ReadonlyMap<string, AppliedRepeatable>,
  locks: LockAttempt,
  tables: readonly LockNeed[],
): Promise<void> {
  const { run, onProgress } = work;
  const { client } = run.session;
  let one = files[0];
  let current: Statement | undefined;
  let drop: string | undefined;
  try {
    await withTransaction(
      client,
      async () => {
        if (tables.length > 0) await locks.take(tables);
        const before = await readObjects(client, doomed);
        for (const { catalog, oid } of doomed) {
          const found = before.find((facts) => facts.catalog === catalog && facts.oid === oid);
          if (found !== undefined) await client.query((drop = dropOf(found)));
        }
        drop = undefined;
        for (one of files) {
          const { file, statements } = one;
          for (current of statements) {
            const { number, text } = current;
            const message = `statement ${number} of ${statements.length}: ${headOf(text)}`;
            onProgress({ event: "statement", migration: file.path, message });
            await client.query(text);
            const definition = one.definitions.get(number);
            if (definition !== undefined) await restoreMade(client, definition, before);
          }
          current = undefined;
        }
        const rows = await rowsOf(client, files, applied);
        await asRunner(run, async () => {
          for (const { file, objects, leftOver } of rows) {
            await recordRepeatable(run, file, objects, leftOver);
          }
        });
      },
      `${beginReadWrite}; ${locks.settings}; SET LOCAL client_connection_check_interval = 1000`,
    );
  } catch (error) {
    if (one === undefined) throw error;
    throw new GroupFailure(error, one, current, drop);
  }
}
