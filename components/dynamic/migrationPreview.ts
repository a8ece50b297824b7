import { firstLineOf } from "../../userError";
import { readMigrations } from "../../engine/files/migrationFolder";
import { readRepeatables } from "../../engine/files/repeatableFolder";
import { effectLines } from "../../engine/locks/effects";
import { type Plan, planMigrations } from "../../engine/plan";
import type { PlannedStatement } from "../../engine/plannedStatement";
import { type DatabaseAddress, nameOf } from "../../kube/postgres";
import { withDatabase } from "./schema";

/** A preview tries once: with the cluster down it takes no longer than without this. */
const deadlineSeconds = 0;

const plans = new Map<string, Promise<Plan>>();

/**
 * What a pending migration will do to the database as it is now, as lines for a preview. All
 * migrations of a preview share one look at it.
 * @returns one line with the cause when the database cannot be asked: a preview works without it
 */
export async function previewLines(
  database: DatabaseAddress,
  folder: string,
  migration: string,
): Promise<string[]> {
  return sharedLook(database, folder, (plan) => linesOf(plan, migration));
}

/** The same for the files of repeatable/ that differ from what was applied. */
export function repeatableLines(database: DatabaseAddress, folder: string): Promise<string[]> {
  return sharedLook(database, folder, repeatableLinesOf);
}

async function sharedLook(
  database: DatabaseAddress,
  folder: string,
  lines: (plan: Plan) => string[],
): Promise<string[]> {
  const name = nameOf(database);
  const key = `${name} ${folder}`;
  const plan = plans.get(key) ?? planOf(database, folder);
  plans.set(key, plan);
  try {
    return lines(await plan);
  } catch (error) {
    return [`what it locks is not known, ${name} cannot be asked: ${firstLineOf(error)}`];
  }
}

async function planOf(database: DatabaseAddress, folder: string): Promise<Plan> {
  const migrations = readMigrations(folder);
  const repeatables = readRepeatables(folder);
  return withDatabase({ database, deadlineSeconds }, (client) =>
    planMigrations(client, migrations, undefined, repeatables),
  );
}

/** The statements of one migration with what each locks, what comes after them, and a refusal. */
export function linesOf({ migrations, refusals }: Plan, migration: string): string[] {
  const found = migrations.find(({ id }) => id === migration);
  const lines = statementLines(found?.statements ?? []);
  const refused = refusals.filter((refusal) => refusal.startsWith(`Migration ${migration} `));
  return [...lines, ...(found?.later ?? []), ...refused.map((text) => `would be refused: ${text}`)];
}

/** Each file that is due, with its statements, and what is left over. */
export function repeatableLinesOf({ repeatables, leftOver }: Plan): string[] {
  const due = repeatables.filter(({ state }) => state !== "applied");
  return [
    ...due.flatMap(({ path, state, drift, statements }) => [
      `${path}: ${[state, ...drift].join("; ")}`,
      ...statementLines(statements).map((line) => `${path}: ${line}`),
    ]),
    ...leftOver.map(({ object, path }) => `${path}: its ${object} stays, and no file makes it`),
  ];
}

function statementLines(statements: readonly PlannedStatement[]): string[] {
  return statements.flatMap(({ number, head, effects }) => [
    `statement ${number}: ${head}`,
    ...effectLines(effects).map((line) => `  ${line}`),
  ]);
}
