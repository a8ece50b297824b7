import { DatabaseError } from "pg";
import { UserError } from "../../userError";
import { factsOf, messageOf, nextStepFor, isConnectionLoss } from "./databaseErrors";
import type { MigrationFile } from "../files/migration";
import { titleOf } from "../files/migrationName";
import type { Statement } from "../sql/parser";
import { excerpt, offsetOfCharacter } from "../sql/sourceText";

/** Where a run is in a file. */
export interface Position {
  /** The migration's id, or a repeatable file's path. */
  readonly migration: string;
  readonly file: MigrationFile;
  /** undefined between statements: at COMMIT, or while journal rows are written. */
  readonly statement?: Statement;
  /** What is done where there is no statement, for people; at its COMMIT if it is not said. */
  readonly doing?: string;
  /** How many statements the file has. */
  readonly of: number;
}

/**
 * An error of PostgreSQL at a statement as a person needs it.
 * @param kept what of the file stays done, as a sentence
 */
export function explainStatementError(
  error: unknown,
  position: Position,
  kept: string,
  extra: readonly string[] = [],
): unknown {
  if (!(error instanceof DatabaseError) && !isConnectionLoss(error)) return error;
  const { migration, file, statement, doing = "at its COMMIT", of } = position;
  const code = error instanceof DatabaseError && error.code !== undefined ? ` (${error.code})` : "";
  const place =
    statement === undefined ? [`${file.shownPath}, ${doing}`] : placeOf(file, statement, error, of);
  return new UserError(
    `${titleOf(migration)} failed: ${messageOf(error)}${code}.`,
    [...place, ...(error instanceof DatabaseError ? factsOf(error) : []), ...extra, kept],
    nextStepFor(error, statement?.text) ??
      `correct ${file.shownPath}, then run the same command again: it goes on where this stopped`,
  );
}

function placeOf(file: MigrationFile, statement: Statement, error: unknown, of: number): string[] {
  const inside =
    error instanceof DatabaseError && error.position !== undefined
      ? offsetOfCharacter(statement.text, Number(error.position) - 1)
      : 0;
  const [where, ...lines] = excerpt(file, statement.offset + inside);
  return [`${where ?? file.shownPath} (statement ${statement.number} of ${of})`, ...lines];
}
