import type { Node } from "libpg-query";
import type { Phase } from "../files/migration";
import type { Statement } from "../sql/parser";

/** Why a statement has to stay in the transaction that it stands in. */
export interface Binding {
  /** For people: `between BEGIN and COMMIT`. */
  readonly where: string;
  readonly fix: string;
}

/** contract.sql, abort.sql and undo.sql: the engine has locked the tables before they begin. */
export function isEnding(phase: Phase): boolean {
  return phase === "contract" || phase === "abort" || phase === "undo";
}

/**
 * The statements, by number, that cannot be taken out of their transaction: the author's own BEGIN
 * and COMMIT enclose them, or one before them holds only until the transaction ends.
 */
export function boundStatements(
  statements: readonly Statement[],
  phase: Phase = "expand",
): ReadonlyMap<number, Binding> {
  if (isEnding(phase)) {
    const where = `in ${phase}.sql, which is one transaction with all that the engine does there`;
    const all = { where, fix: "put it into a plain migration that comes after this one" };
    return new Map(statements.map(({ number }) => [number, all]));
  }
  const bound = new Map<number, Binding>();
  let binding: Binding | undefined;
  for (const { number, standing, tree } of statements) {
    if (standing.standing === "begin") {
      binding = { where: "between BEGIN and COMMIT", fix: "remove BEGIN and COMMIT" };
    } else if (standing.standing !== "transaction") {
      binding = undefined;
    } else if (binding !== undefined) {
      bound.set(number, binding);
    } else if (holdsUntilTheEnd(tree)) {
      binding = {
        where: `behind statement ${number}, which holds until its transaction ends`,
        fix: `move it before statement ${number}, or into a migration of its own`,
      };
    }
  }
  return bound;
}

/** Time-outs and memory do not change what a statement does, and the engine has its own. */
const harmlessSettings = /_timeout$|_mem$/;

function holdsUntilTheEnd(tree: Node): boolean {
  if ("VariableSetStmt" in tree) {
    const { is_local: isLocal, kind, name = "" } = tree.VariableSetStmt;
    const isOfTransaction = kind === "VAR_SET_MULTI" && name === "TRANSACTION";
    return isOfTransaction || (isLocal === true && !harmlessSettings.test(name));
  }
  if ("CreateStmt" in tree) {
    const { oncommit } = tree.CreateStmt;
    return oncommit === "ONCOMMIT_DROP" || oncommit === "ONCOMMIT_DELETE_ROWS";
  }
  if ("TransactionStmt" in tree) return tree.TransactionStmt.kind === "TRANS_STMT_SAVEPOINT";
  return "LockStmt" in tree || "ConstraintsSetStmt" in tree || "DeclareCursorStmt" in tree;
}
