import { UserError } from "../userError";
import type { Migration } from "./migration";
import { checkStatements } from "./migrationStatements";

/**
 * What must hold before anything is run: every pending file parses, and needs nothing that this
 * version lacks.
 * @throws UserError with all that is wrong
 */
export async function ensureRunnable(pending: readonly Migration[]): Promise<void> {
  const mistakes = await checkStatements(pending);
  if (mistakes.length > 0) {
    throw new UserError(
      "A pending migration cannot be run; nothing was run.",
      mistakes.flatMap(([problem, ...where]) => [problem, ...where.map((line) => `  ${line}`)]),
      "correct the files named above",
    );
  }
  const synced = pending.flatMap(({ files }) => files.filter(({ phase }) => phase === "sync"));
  if (synced.length === 0) return;
  throw new UserError(
    "sync is not supported yet; nothing was run.",
    synced.map(({ shownPath }) => `${shownPath} asks for it.`),
    "write this change without sync.yaml: new columns in expand.sql, a trigger that fills them",
  );
}
