import { DatabaseError } from "pg";
import type { StatementClass } from "./classification";
import { classifyStatements } from "./classify";
import { isStrong, strongerOf } from "./lockMode";
import type { LockNeed } from "./lockNeed";
import { NewRelations } from "./newRelations";
import type { Run } from "../journal/journalWriter";
import { withRolledBackTransaction } from "../session/transaction";
import { parse, type Statement } from "../sql/parser";

const made = new WeakMap<Run, NewRelations>();

/**
 * What statements will do, as far as the catalog tells; nothing of what cannot be classified, which
 * is the statement's own mistake and PostgreSQL's to report.
 * Call outside of a transaction, on the session that will run them.
 */
export async function classesOf(
  run: Run,
  statements: readonly Statement[],
): Promise<readonly StatementClass[]> {
  const { client } = run.session;
  const newRelations = made.get(run) ?? new NewRelations();
  made.set(run, newRelations);
  const settings = leadingSettings(statements);
  const classify = () => classifyStatements(client, statements, newRelations);
  try {
    if (settings.length === 0) return await classify();
    // They decide which tables the names behind them mean.
    return await withRolledBackTransaction(client, async () => {
      for (const { text } of settings) await client.query(text);
      return classify();
    });
  } catch (error) {
    if (error instanceof DatabaseError) return [];
    throw error;
  }
}

/** The same for statements of the engine's own, as texts. */
export async function needsOfTexts(run: Run, texts: readonly string[]): Promise<LockNeed[]> {
  const parsed = await parse(texts.join(";\n"));
  if ("mistake" in parsed) throw new Error(`${parsed.mistake.problem}: ${texts.join(";\n")}`);
  return strongNeeds((await classesOf(run, parsed.statements)).map(tablesOnly));
}

/** The tables that others have to wait for, each with the strongest lock of all statements. */
export function strongNeeds(classes: readonly StatementClass[]): LockNeed[] {
  const needs = new Map<string, LockNeed>();
  for (const { relations } of classes) {
    for (const { oid, isNew, mode, name, sql } of relations) {
      if (oid === null || isNew || !isStrong(mode)) continue;
      const before = needs.get(oid);
      const strongest = before === undefined ? mode : strongerOf(before.mode, mode);
      needs.set(oid, { name, sql, oid, mode: strongest });
    }
  }
  return [...needs.values()];
}

/**
 * Where in a transaction which tables are locked, by statement number: before the first statement
 * that needs a strong lock, those of all statements behind it. Behind a statement that works through
 * many rows it begins anew, for no table should be locked all the while that another one is worked on.
 */
export function lockPlan(classes: readonly StatementClass[]): ReadonlyMap<number, LockNeed[]> {
  const plan = new Map<number, LockNeed[]>();
  let group: StatementClass[] = [];
  const close = (): void => {
    const [first] = group;
    const tables = strongNeeds(group.map(tablesOnly));
    if (first !== undefined && tables.length > 0) plan.set(first.statement.number, tables);
    group = [];
  };
  for (const found of classes) {
    if (group.length > 0 || strongNeeds([found]).length > 0) group.push(found);
    if (found.work.some(({ isNew }) => !isNew) || found.unknown !== undefined) close();
  }
  close();
  return plan;
}

/** LOCK TABLE knows tables and views, and of a view it would lock what that reads. */
function tablesOnly(found: StatementClass): StatementClass {
  return {
    ...found,
    relations: found.relations.filter(({ kind }) => kind === "r" || kind === "p"),
  };
}

function leadingSettings(statements: readonly Statement[]): readonly Statement[] {
  const first = statements.findIndex(({ kind }) => kind !== "VariableSetStmt");
  return first === -1 ? [] : statements.slice(0, first);
}
