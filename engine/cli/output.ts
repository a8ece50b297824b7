import type { ApplyResult } from "../apply";
import type { AuditedMigration } from "../audit";
import type { ContractResult } from "../contracting/contractResult";
import { isSettled } from "../journal/journal";
import { effectLines } from "../locks/effects";
import type { Plan, PlannedMigration } from "../plan";
import type { PlannedRepeatable } from "../planRepeatables";
import type { SquashResult } from "../squash";

/**
 * One line a migration or repeatable file: its id or path and its state, aligned.
 * @param drift what has changed in the schema, a line each
 */
export function statusLines(plan: Plan, drift: readonly string[]): string[] {
  const lines = aligned([
    ...plan.migrations.map((migration) => [migration.id, migration.kind, stateWords(migration)]),
    ...plan.repeatables.map((one) => [one.path, "repeatable", repeatableWords(one)]),
  ]);
  const changed = drift.length === 0 ? [] : ["", "changed since the last run that succeeded:"];
  return [
    ...[...lines, ...leftOverLines(plan), ...summary(plan), ...refusalLines(plan)],
    ...[...changed, ...drift.map((line) => `  ${line}`)],
  ];
}

/** What would run: each pending migration with its statements. */
export function planLines(plan: Plan): string[] {
  const pending = plan.migrations.filter(({ statements, later, state }) => {
    return statements.length + later.length > 0 || state === "expanded" || state === "blocked";
  });
  const lines = pending.flatMap((migration) => [
    `${migration.id} (${stateWords(migration)})`,
    ...statementLines(migration),
    ...migration.later.map((line) => `  ${line}`),
  ]);
  const files = plan.repeatables
    .filter(({ state }) => state !== "applied")
    .flatMap((one) => [`${one.path} (${repeatableWords(one)})`, ...statementLines(one)]);
  return [...lines, ...files, ...leftOverLines(plan), ...summary(plan), ...refusalLines(plan)];
}

function statementLines({ statements }: Pick<PlannedMigration, "statements">): string[] {
  const heads = aligned(
    statements.map(({ number, place, head, inTransaction, effects }) => [
      `  ${number}`,
      place,
      inTransaction ? "in transaction" : effects.runAs === undefined ? "alone" : "in parts",
      head,
    ]),
  );
  return statements.flatMap(({ effects }, index) => [
    heads[index] ?? "",
    ...effectLines(effects).map((line) => `       ${line}`),
  ]);
}

export function applyLines(result: ApplyResult): string[] {
  const { migrations, repeatables } = result;
  const seconds = (result.milliseconds / 1000).toFixed(2);
  const isApplied = ({ applied }: { applied: boolean }): boolean => applied;
  const applied = counts(migrations.filter(isApplied).length, repeatables.filter(isApplied).length);
  if (applied === "") {
    const all = counts(migrations.length, repeatables.length);
    return [`nothing to apply: ${all || count(0)} settled already (${seconds} s)`];
  }
  return [`applied ${applied} in ${seconds} s`];
}

export function auditLines(audited: readonly AuditedMigration[]): string[] {
  if (audited.length === 0) return ["no migration has two shapes to compare"];
  return audited.flatMap(({ id, repaired, checks, findings }) => [
    ...(repaired > 0 ? [`${id}: ${repaired} rows that disagreed were set right`] : []),
    findings.length === 0
      ? `${id}: old and new columns agree in every row`
      : `${id}: ${findings.length} of ${checks.length} checks found something wrong`,
    ...checks.flatMap(({ verdict, what, rows }) => [
      `  ${verdict.padEnd(5)}  ${what}`,
      ...rows.map((row) => `           ${row}`),
    ]),
  ]);
}

export function contractLines({ migrations }: ContractResult): string[] {
  if (migrations.length === 0) return ["no migration has a contract"];
  return aligned(
    migrations.map(({ id, state, contracted, waiting }) => [
      id,
      contracted ? "contracted" : state,
      waiting === undefined ? "" : `waits: ${waiting}`,
    ]),
  ).map((line) => line.trimEnd());
}

export function squashLines({ migrations, through, file }: SquashResult): string[] {
  return [`${count(migrations)} through ${through} are one unit now: commit ${file}`];
}

function stateWords({ state, reason }: PlannedMigration): string {
  return reason === undefined ? state : `${state}: ${reason}`;
}

function repeatableWords({ state, drift }: PlannedRepeatable): string {
  return drift.length === 0 ? state : `${state}: ${drift.join("; ")}`;
}

function leftOverLines({ leftOver }: Plan): string[] {
  return leftOver.map(
    ({ object, path, drop }) =>
      `left over: ${object} of ${path}; put "${drop}" into a migration, or restore the file`,
  );
}

function summary({ migrations, repeatables, journal }: Plan): string[] {
  const pending = migrations.filter(({ state }) => state === "pending").length;
  const begun = migrations.filter(({ state }) => state !== "pending" && !isSettled(state)).length;
  const open = begun === 0 ? "" : `, ${begun} begun`;
  const due = repeatables.filter(({ state }) => state !== "applied").length;
  const files =
    repeatables.length === 0 ? "" : `; ${fileCount(repeatables.length)}, ${due} to apply`;
  const where = journal === undefined ? "no journal yet" : `journal at epoch ${journal.epoch}`;
  return [`${count(migrations.length)}, ${pending} pending${open}${files}; ${where}`];
}

function refusalLines({ refusals }: Plan): string[] {
  return refusals.length === 0 ? [] : ["", "apply would refuse:", ...refusals];
}

function count(migrations: number): string {
  return migrations === 1 ? "1 migration" : `${migrations} migrations`;
}

function fileCount(files: number): string {
  return files === 1 ? "1 repeatable file" : `${files} repeatable files`;
}

/** Empty for none at all. */
function counts(migrations: number, files: number): string {
  const parts = [
    ...(migrations === 0 ? [] : [count(migrations)]),
    ...(files === 0 ? [] : [fileCount(files)]),
  ];
  return parts.join(" and ");
}

/** Columns of equal width, but for the last one. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join("  "),
  );
}
