import { UserError } from "../userError";
import type { Migration } from "./files/migration";
import { checkStatements } from "./files/migrationStatements";

/**
 * What must hold before anything is run: every pending file parses.
 * @throws UserError with all that is wrong
 */
export async function ensureRunnable(pending: readonly Migration[]): Promise<void> {
  const mistakes = await checkStatements(pending);
  if (mistakes.length === 0) return;
  throw new UserError(
    "A pending migration cannot be run; nothing was run.",
    mistakes.flatMap(([problem, ...where]) => [problem, ...where.map((line) => `  ${line}`)]),
    "correct the files named above",
  );
}
