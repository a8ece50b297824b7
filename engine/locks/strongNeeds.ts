import type { StatementClass } from "./classification";
import { classesOf } from "./classesOf";
import { isStrong, strongerOf } from "./lockMode";
import type { LockNeed } from "./lockNeed";
import type { Run } from "../journal/journalWriter";
import { parse } from "../sql/parser";

/** The tables that statements of the engine's own lock, as texts. Call outside of a transaction. */
export async function needsOfTexts(run: Run, texts: readonly string[]): Promise<LockNeed[]> {
  const parsed = await parse(texts.join(";\n"));
  if ("mistake" in parsed) throw new Error(`${parsed.mistake.problem}: ${texts.join(";\n")}`);
  const { client } = run.session;
  const classes = await classesOf(client, parsed.statements, run.newRelations.copy());
  return tableNeeds(classes);
}

/** The same without views, for LOCK TABLE. */
export function tableNeeds(classes: readonly StatementClass[]): LockNeed[] {
  return strongNeeds(classes.map(tablesOnly));
}

/** The tables that others have to wait for, each with the strongest lock of all statements. */
export function strongNeeds(classes: readonly StatementClass[]): LockNeed[] {
  const needs = new Map<string, LockNeed>();
  for (const { relations } of classes) {
    for (const { oid, isNew, mode, name, sql, withChildren } of relations) {
      if (oid === null || isNew || !isStrong(mode)) continue;
      const before = needs.get(oid);
      const strongest = before === undefined ? mode : strongerOf(before.mode, mode);
      const isTree = withChildren || before?.withChildren === true;
      // The name that it has before the first of them, should one give it another.
      const named = before ?? { name, sql };
      needs.set(oid, {
        name: named.name,
        sql: named.sql,
        oid,
        mode: strongest,
        withChildren: isTree,
      });
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
    const tables = tableNeeds(group);
    if (first !== undefined && tables.length > 0) plan.set(first.statement.number, tables);
    group = [];
  };
  for (const found of classes) {
    if (group.length > 0 || strongNeeds([found]).length > 0) group.push(found);
    if (isLengthy(found)) close();
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

function isLengthy({ work, unknown, isOpenEnded }: StatementClass): boolean {
  return isOpenEnded || unknown !== undefined || work.some(({ isNew }) => !isNew);
}
