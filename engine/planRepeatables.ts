import type { Client } from "pg";
import { UserError } from "../userError";
import type { Repeatable } from "./files/repeatable";
import type { OrderedRepeatable } from "./files/repeatableOrder";
import type { Journal } from "./journal/journal";
import { planFile } from "./locks/filePlan";
import { type PlannedStatement, plannedStatements } from "./plannedStatement";
import { ensureRepeatable } from "./repeatable/apply";
import { type LeftOver, type RepeatableState, standingsOf } from "./repeatable/standing";
import { withRolledBackSavepoint } from "./session/transaction";
import type { NewRelations } from "./sql/newRelations";

export interface PlannedRepeatable {
  /** `repeatable/stock-list.sql` */
  readonly path: string;
  readonly digest: string;
  readonly state: RepeatableState;
  /** What somebody has changed in the database of what it had made, a line each. */
  readonly drift: readonly string[];
  /** What is to run; empty when it is applied. */
  readonly statements: readonly PlannedStatement[];
}

/**
 * What a run would do with the repeatable files, in the order that it would do it. Within a
 * transaction; writes and locks nothing.
 * @param newRelations what the migrations before them will have made
 */
export async function planRepeatables(
  client: Client,
  files: readonly Repeatable[],
  journal: Journal | undefined,
  newRelations: NewRelations,
): Promise<{
  readonly repeatables: readonly PlannedRepeatable[];
  readonly leftOver: readonly LeftOver[];
  readonly refusals: readonly string[];
}> {
  const standings = await standingsOf(client, files, journal);
  const { leftOver } = standings;
  const plain = standings.files.map(({ file: { path, digest }, state, drift }) => ({
    ...{ path, digest, state, drift },
    statements: [],
  }));
  if (plain.every(({ state }) => state === "applied")) {
    return { repeatables: plain, leftOver, refusals: [] };
  }
  let ordered: OrderedRepeatable[];
  try {
    ordered = await ensureRepeatable(files);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { repeatables: plain, leftOver, refusals: [error.message] };
  }
  const repeatables: PlannedRepeatable[] = [];
  for (const { file, statements } of ordered) {
    const found = plain.find(({ path }) => path === file.path);
    if (found === undefined) continue;
    const isDue = found.state !== "applied";
    const plan =
      isDue && (await planFile(client, file, statements, newRelations, withRolledBackSavepoint));
    repeatables.push({
      ...found,
      statements: plan ? plannedStatements(file, statements, plan) : [],
    });
  }
  return { repeatables, leftOver, refusals: [] };
}
