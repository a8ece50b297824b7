import { DatabaseError } from "pg";
import { UserError } from "../../userError";
import { factsOf, isConnectionLoss, messageOf, nextStepFor } from "../session/databaseErrors";
import type { MigrationRun } from "../journal/fileContext";

/** What PostgreSQL refused of work that sync.yaml asks for, as a person needs it. */
export function explainSyncError(
  error: unknown,
  { migration }: Pick<MigrationRun, "migration">,
  doing: string,
  extra: readonly string[] = [],
): unknown {
  if (!(error instanceof DatabaseError) && !isConnectionLoss(error)) return error;
  const code = error instanceof DatabaseError && error.code !== undefined ? ` (${error.code})` : "";
  return new UserError(
    `Migration ${migration.id} failed while ${doing}: ${messageOf(error)}${code}.`,
    [...(error instanceof DatabaseError ? factsOf(error) : []), ...extra],
    nextStepFor(error) ?? "mend what is named above, then run the same command again",
  );
}
