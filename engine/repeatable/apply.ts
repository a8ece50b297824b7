import { UserError } from "../../userError";
import { checkFiles } from "../files/migrationStatements";
import type { Repeatable } from "../files/repeatable";
import { type OrderedRepeatable, orderRepeatables } from "../files/repeatableOrder";
import type { RunContext } from "../journal/fileContext";
import { forgetRepeatable } from "../journal/repeatables";
import { withJournalTransaction } from "../journal/journalWriter";
import { resetSession } from "../session/session";
import { withReadOnlyTransaction } from "../session/transaction";
import { applyReplacing } from "./replace";
import { journalVersion } from "../journal/journalSchema";
import { standingsOf } from "./standing";

/**
 * Applies the repeatable files that differ from what was applied, in the order of what they name,
 * each in a transaction of its own with its journal row. Safe to kill at any point.
 * @param files all of the folder
 * @returns for each path that was applied how long it took, in milliseconds
 */
export async function applyRepeatables(
  context: RunContext,
  files: readonly Repeatable[],
): Promise<ReadonlyMap<string, number>> {
  const { run, onProgress } = context;
  const { client } = run.session;
  await resetSession(run.session);
  const standings = await withReadOnlyTransaction(client, () =>
    standingsOf(client, files, { version: journalVersion }),
  );
  for (const path of standings.gone) {
    await withJournalTransaction(run, () => forgetRepeatable(run, path));
  }
  const open = new Map(
    standings.files
      .filter(({ state }) => state !== "applied")
      .map((standing) => [standing.file.path, standing]),
  );
  const times = new Map<string, number>();
  if (open.size === 0) return times;
  const ordered = await ensureRepeatable(files);
  for (const one of ordered) {
    const standing = open.get(one.file.path);
    if (standing === undefined) continue;
    const { path } = one.file;
    const begun = Date.now();
    const why = standing.drift.length === 0 ? "" : `: ${standing.drift.join("; ")}`;
    onProgress({ event: "begun", migration: path, message: `applying (${standing.state}${why})` });
    const isOpen = (other: OrderedRepeatable): boolean => open.has(other.file.path);
    const done = await applyReplacing({ ...context, migration: { id: path } }, one, {
      ordered,
      isOpen,
      applied: standings.applied,
    });
    const milliseconds = Date.now() - begun;
    for (const file of done) {
      open.delete(file.path);
      times.set(file.path, milliseconds);
      const message = `applied in ${(milliseconds / 1000).toFixed(2)} s`;
      onProgress({ event: "finished", migration: file.path, message });
    }
  }
  return times;
}

/**
 * What must hold before any is run.
 * @returns the files in the order that they are run in
 * @throws UserError with all that is wrong
 */
export async function ensureRepeatable(files: readonly Repeatable[]): Promise<OrderedRepeatable[]> {
  const mistakes = await checkFiles(files);
  if (mistakes.length > 0) {
    throw new UserError(
      "A repeatable file cannot be run; nothing was run.",
      mistakes.flatMap(([problem, ...where]) => [problem, ...where.map((line) => `  ${line}`)]),
      "correct the files named above",
    );
  }
  return orderRepeatables(files);
}
