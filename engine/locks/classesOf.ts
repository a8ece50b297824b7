import type { Client } from "pg";
import { sqlState, stateOf } from "../session/databaseErrors";
import { withRolledBackTransaction } from "../session/transaction";
import type { NewRelations } from "../sql/newRelations";
import type { Statement } from "../sql/parser";
import type { StatementClass } from "./classification";
import { classifyStatements } from "./classify";

/** Settings that decide which tables the names behind them mean, and what may be known of them. */
const decidingSettings = new Set(["search_path", "role", "session_authorization", "timezone"]);

/**
 * What statements of a file will do, as far as the catalog tells, under the settings that the file
 * itself makes on the way. Behind a setting that cannot be made nothing is told: PostgreSQL will
 * refuse that statement, unless an earlier one of the file gives it what it lacks.
 * @param client the session that will run them
 * @param newRelations what this run has made so far; what the statements make is added to it
 * @param undoing runs work and undoes it; the default is for outside of a transaction
 * @param isHeld whether tables of before are locked already when the first of them runs
 */
export async function classesOf(
  client: Client,
  statements: readonly Statement[],
  newRelations: NewRelations,
  undoing: typeof withRolledBackTransaction = withRolledBackTransaction,
  isHeld = false,
): Promise<StatementClass[]> {
  if (!statements.some(isDeciding)) {
    return classifyStatements(client, statements, newRelations, isHeld);
  }
  return undoing(client, async () => {
    const classes: StatementClass[] = [];
    for (const group of groupsOf(statements)) {
      const [first] = group;
      if (first !== undefined && isDeciding(first)) {
        if (!(await makeSetting(client, first))) break;
        newRelations.under(first.text);
      }
      classes.push(...(await classifyStatements(client, group, newRelations, isHeld)));
    }
    return classes;
  });
}

function isDeciding({ tree }: Statement): boolean {
  if (!("VariableSetStmt" in tree)) return false;
  const { kind, name = "" } = tree.VariableSetStmt;
  return kind === "VAR_RESET_ALL" || decidingSettings.has(name.toLowerCase());
}

/** Each begins with a setting that decides, but for the first. */
function groupsOf(statements: readonly Statement[]): Statement[][] {
  const groups: Statement[][] = [[]];
  for (const statement of statements) {
    if (isDeciding(statement)) groups.push([]);
    groups.at(-1)?.push(statement);
  }
  return groups.filter(({ length }) => length > 0);
}

/** @returns false when its role or value is not there yet, or not for this role yet */
async function makeSetting(client: Client, { text }: Statement): Promise<boolean> {
  try {
    await client.query(text);
    return true;
  } catch (error) {
    const state = stateOf(error);
    // PostgreSQL's code for a role that does not exist is that of any other wrong value.
    if (state === sqlState.wrongValue || state === sqlState.noRight) return false;
    throw error;
  }
}
