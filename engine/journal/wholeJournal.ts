import { UserError } from "../../userError";
import { messageOf, sqlState, stateOf } from "../session/databaseErrors";

/**
 * Reads or makes the journal.
 * @throws UserError where a part of it is gone or changed
 */
export async function withWholeJournal<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const code = stateOf(error) ?? "";
    // Class 42: a table or a column that is not there, or is there already.
    if (!code.startsWith("42") || code === sqlState.noRight) throw error;
    throw brokenJournal(`${messageOf(error)} (${code})`);
  }
}

/** @param cause what was found missing */
export function brokenJournal(cause: string): UserError {
  return new UserError(
    "The journal of this database, schema stateful_cd, is not as the engine made it.",
    [cause, "It is the record of what was applied; without it nothing is run."],
    "bring the schema back from a backup: pg_restore --schema stateful_cd",
  );
}
