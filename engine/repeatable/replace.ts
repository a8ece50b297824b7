import { UserError } from "../../userError";
import type { Repeatable } from "../files/repeatable";
import type { OrderedRepeatable } from "../files/repeatableOrder";
import type { LockingRun } from "../journal/fileContext";
import type { AppliedRepeatable } from "../journal/repeatables";
import { addressesOf, nameOfDefinition, type ObjectAddress } from "../schema/objectAddresses";
import { messageOf, sqlState, stateOf } from "../session/databaseErrors";
import { resetSession } from "../session/session";
import { explainStatementError } from "../session/statementError";
import { shownDefinition } from "../sql/definition";
import { excerpt, headOf, printable } from "../sql/sourceText";
import { doomedWith, keyOf } from "./dependents";
import { type Group, GroupFailure, nothingKept, runGroup } from "./group";

/** What surrounds a file that is applied. */
export interface Surroundings {
  readonly ordered: readonly OrderedRepeatable[];
  /** Whether a file is still to be applied. */
  readonly isOpen: (one: OrderedRepeatable) => boolean;
  /** What the journal has of each path. */
  readonly applied: ReadonlyMap<string, AppliedRepeatable>;
}

/** What PostgreSQL says to a definition that can be made, but not in place of the one before. */
const irreplaceable = new Set<string>([
  sqlState.viewRefused,
  sqlState.functionRefused,
  sqlState.wrongKind,
]);

/**
 * Runs a file. Where PostgreSQL will not replace an object, it is dropped and made again, together
 * with all that depends on it, as long as repeatable files make all of that.
 * @returns the files that were run, all in one transaction
 * @throws UserError naming what else depends on it
 */
export async function applyReplacing(
  work: LockingRun,
  one: OrderedRepeatable,
  { ordered, isOpen, applied }: Surroundings,
): Promise<readonly Repeatable[]> {
  const roots: ObjectAddress[] = [];
  let group: Group = { files: [one], doomed: [] };
  for (;;) {
    await resetSession(work.run.session);
    try {
      await runGroup(work, group, applied);
      return group.files.map(({ file }) => file);
    } catch (failure) {
      if (!(failure instanceof GroupFailure)) throw failure;
      const root = await irreplaceableIn(work, failure, group.doomed);
      if (root === undefined) throw explained(failure);
      roots.push(root);
      const { client } = work.run.session;
      const { objects, paths, foreign } = await doomedWith(client, roots, ordered);
      if (foreign.length > 0) throw dependedOn(failure, foreign);
      const files = closureOf([one.file.path, ...paths], ordered, isOpen);
      group = { files, doomed: objects };
    }
  }
}

/** The object that stands in the statement's way, unless it was dropped for it already. */
async function irreplaceableIn(
  { run }: LockingRun,
  { error, statement, one }: GroupFailure,
  doomed: readonly ObjectAddress[],
): Promise<ObjectAddress | undefined> {
  const definition = statement && one.definitions.get(statement.number);
  if (definition === undefined || !irreplaceable.has(stateOf(error) ?? "")) return undefined;
  const [found] = await addressesOf(run.session.client, [nameOfDefinition(definition)]);
  const isTried = doomed.some((object) => found !== undefined && keyOf(object) === keyOf(found));
  return isTried ? undefined : found;
}

/** With what is to be applied anyway, and has to be there before one of them. */
function closureOf(
  paths: readonly string[],
  ordered: readonly OrderedRepeatable[],
  isOpen: (one: OrderedRepeatable) => boolean,
): OrderedRepeatable[] {
  const wanted = new Set(paths);
  for (const one of [...ordered].reverse()) {
    if (!wanted.has(one.file.path)) continue;
    for (const before of ordered.filter(({ file }) => one.after.has(file.path))) {
      if (isOpen(before)) wanted.add(before.file.path);
    }
  }
  return ordered.filter(({ file }) => wanted.has(file.path));
}

function explained({ error, one, statement, drop, extra }: GroupFailure): unknown {
  const { file, statements } = one;
  const position = { migration: file.path, file, of: statements.length };
  const doing = drop && `at ${printable(drop)}, which is to be made again`;
  return explainStatementError(
    error,
    { ...position, ...(statement && { statement }), ...(doing && { doing }) },
    nothingKept,
    extra,
  );
}

function dependedOn(
  { error, one, statement }: GroupFailure,
  foreign: readonly string[],
): UserError {
  const { file, statements, definitions } = one;
  const definition = statement && definitions.get(statement.number);
  const what = definition === undefined ? "what it makes" : shownDefinition(definition);
  const [place = file.shownPath, ...lines] = excerpt(file, statement?.offset ?? 0);
  return new UserError(
    `${file.path} cannot be applied: ${what} would have to be dropped and made again, and something else depends on it.`,
    [
      `${place} (statement ${statement?.number ?? 1} of ${statements.length})`,
      ...lines,
      `PostgreSQL does not replace it: ${headOf(messageOf(error), 200)}`,
      ...foreign,
      nothingKept,
    ],
    "change it so that it can be replaced (columns of a view added at the end), or drop in a migration what depends on it",
  );
}
