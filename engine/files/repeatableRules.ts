import { definitionIn, mayBeSame, parametersIn, replaces, subjectsOf } from "../sql/definition";
import type { Mistake, Statement } from "../sql/parser";

const whatItHolds =
  "a repeatable file holds CREATE OR REPLACE VIEW, FUNCTION, PROCEDURE and TRIGGER, and GRANT, REVOKE, COMMENT and OWNER TO about what it makes";

/** Statements that change rows, or run what may. */
const rowKinds = new Set([
  ...["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TruncateStmt", "CopyStmt"],
  ...["SelectStmt", "CallStmt", "DoStmt", "ExecuteStmt", "RefreshMatViewStmt"],
]);

/** What may not stand in a file that is run again whenever it changes. */
export function repeatableMistakes(statements: readonly Statement[]): Mistake[] {
  const made = statements.flatMap(({ tree }) => definitionIn(tree) ?? []);
  return statements.flatMap((statement) => {
    const { tree, offset, standing } = statement;
    if (standing.standing === "refused") {
      return [{ offset, problem: standing.why, fix: standing.fix }];
    }
    if (definitionIn(tree) !== undefined) return definitionMistakes(statement);
    const subjects = subjectsOf(tree);
    if (subjects === undefined) return [{ offset, ...refusalOf(statement) }];
    const isOwn = subjects.every(({ kind, name, table }) =>
      made.some(
        (one) =>
          one.kind === kind &&
          mayBeSame(one.name, name) &&
          (table === undefined || (one.table !== undefined && mayBeSame(one.table, table))),
      ),
    );
    if (isOwn) return [];
    const problem = "This is about an object that the file does not make";
    return [{ offset, problem, fix: "put it into the file that makes it, or into a migration" }];
  });
}

function definitionMistakes({ tree, offset }: Statement): Mistake[] {
  const words = wordsOf(tree);
  if (!replaces(tree)) {
    const problem = `${words} fails when it is run again`;
    return [{ offset, problem, fix: words.replace("CREATE", "write CREATE OR REPLACE") }];
  }
  if ("ViewStmt" in tree && tree.ViewStmt.view?.relpersistence === "t") {
    return [
      { offset, problem: "A temporary view is gone when the run ends", fix: "make it a view" },
    ];
  }
  const parameters = "CreateFunctionStmt" in tree ? tree.CreateFunctionStmt.parameters : [];
  if (parametersIn(parameters).some(({ argType }) => argType?.pct_type === true)) {
    const problem = "%TYPE makes another function once the column has another type";
    return [{ offset, problem, fix: "name the argument's type itself" }];
  }
  return [];
}

function refusalOf({ kind, tree }: Statement): { problem: string; fix: string } {
  if (kind === "TransactionStmt") {
    return { problem: "A repeatable file is one transaction already", fix: "remove it" };
  }
  if ("CreateTableAsStmt" in tree && tree.CreateTableAsStmt.objtype === "OBJECT_MATVIEW") {
    return {
      problem: "A materialized view holds rows and cannot be replaced",
      fix: "create it in a migration; a view of repeatable/ may read it",
    };
  }
  if (rowKinds.has(kind)) {
    const problem = "A repeatable file changes no rows, and runs nothing that may";
    return { problem, fix: "put it into a migration" };
  }
  const problem = "This is no definition that can be replaced";
  return { problem, fix: `put it into a migration; ${whatItHolds}` };
}

function wordsOf(tree: Statement["tree"]): string {
  if ("ViewStmt" in tree) return "CREATE VIEW";
  if ("CreateTrigStmt" in tree) return "CREATE TRIGGER";
  const isProcedure = "CreateFunctionStmt" in tree && tree.CreateFunctionStmt.is_procedure === true;
  return isProcedure ? "CREATE PROCEDURE" : "CREATE FUNCTION";
}
