import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Client } from "pg";
import { UserError } from "../userError";
import { type Baseline, baselineFile, loadBaseline } from "./baseline";
import { chainDigest } from "./files/digest";
import type { Migration } from "./files/migration";
import { throughMigration } from "./files/migrationFolder";
import { ensureSameHistory } from "./journal/history";
import { findJournal } from "./journal/journal";
import { withReadOnlyTransaction } from "./session/transaction";

export interface SquashResult extends Baseline {
  /** How many migrations are one unit now. */
  readonly migrations: number;
  /** The file that was written. */
  readonly file: string;
}

/**
 * Makes everything at or before `through` one unit by writing baseline.json. The files stay where
 * they are: an empty database still runs them, and a migrated one is still compared with them.
 * @param client a connected session outside of any transaction; nothing is written through it
 * @throws UserError when one of them is not done in this database, or the unit would get smaller
 */
export async function squash(
  client: Client,
  folder: string,
  migrations: readonly Migration[],
  through: string,
): Promise<SquashResult> {
  const unit = throughMigration(migrations, through);
  ensureNotSmaller(unit, loadBaseline(folder));
  await withReadOnlyTransaction(client, async () => {
    const journal = await findJournal(client);
    await ensureSameHistory(client, migrations, journal);
    ensureDone(unit, (id) => journal?.migrations.get(id)?.state ?? "pending");
  });
  const baseline: Baseline = { through, digest: chainDigest(unit) };
  const file = path.join(folder, baselineFile);
  await writeFile(file, `${JSON.stringify(baseline, null, 2)}\n`);
  return { ...baseline, migrations: unit.length, file };
}

/** Within the unit nothing would show any more what a contract waits for. */
function ensureDone(unit: readonly Migration[], stateOf: (id: string) => string): void {
  const open = unit.filter(({ id }) => stateOf(id) !== "done");
  const [first] = open;
  if (first === undefined) return;
  throw new UserError(
    `${open.length === 1 ? "A migration" : `${open.length} migrations`} up to ${unit.at(-1)?.id ?? ""} cannot be squashed yet.`,
    open.map(({ id }) => `${id} is ${stateOf(id)}`),
    ["verified", "rolled_out", "contracting"].includes(stateOf(first.id))
      ? `npm run migrations -- contract --through ${first.id} --old-role <login of the old release>`
      : `npm run migrations -- apply --through ${first.id}`,
  );
}

function ensureNotSmaller(unit: readonly Migration[], present: Baseline | undefined): void {
  if (present === undefined || unit.some(({ id }) => id === present.through)) return;
  throw new UserError(
    `The baseline reaches through ${present.through} already.`,
    ["A smaller one would declare migrations again that stacks have forgotten."],
    `npm run migrations -- squash --through ${present.through}, or a later one`,
  );
}
