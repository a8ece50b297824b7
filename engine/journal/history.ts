import type { Client } from "pg";
import { UserError } from "../../userError";
import { isSettled, type Journal, type JournalMigration, readAppliedText } from "./journal";
import { whyTooLate } from "./lateFiles";
import type { Migration, Phase } from "../files/migration";
import { compareNumbers } from "../files/migrationName";
import { parse } from "../sql/parser";
import { printable, redactSecrets } from "../sql/sourceText";

/** Refusals as lines, each with its own cause and way out. */
type Refusal = readonly [problem: string, ...details: string[]];

/** Phases whose files are settled by a state: from then on they may not change. */
function appliedPhases(state: JournalMigration["state"]): readonly Phase[] {
  switch (state) {
    case "expanding":
    case "aborted":
      return [];
    case "expanded":
    case "blocked":
    case "aborting":
      return ["expand"];
    case "backfilling":
    case "backfilled":
      return ["expand", "sync"];
    case "verified":
    case "rolled_out":
    case "contracting":
      return ["expand", "sync", "check"];
    case "done":
    case "undoing":
      return ["expand", "sync", "check", "contract"];
  }
}

/**
 * Compares ALL migrations of the journal with the folder: nothing that was applied may be missing,
 * renumbered or edited, and nothing may come late. Of an aborted migration nothing is left: it is as
 * if it had never been applied.
 * @returns what is to be done, in order
 * @throws UserError with all that is wrong
 */
export async function ensureSameHistory(
  client: Client,
  migrations: readonly Migration[],
  journal: Journal | undefined,
): Promise<Migration[]> {
  const refusals = journal === undefined ? [] : await refusalsOf(client, migrations, journal);
  if (refusals.length > 0) {
    throw new UserError(
      "The migrations folder is not the one this database was migrated with; nothing was run.",
      refusals.flatMap(([problem, ...details]) => [problem, ...details.map((line) => `  ${line}`)]),
      `restore applied files from version control (git log --stat -- ${folderOf(migrations)}) and put every change into a new migration`,
    );
  }
  return migrations.filter(({ id }) => !isSettled(journal?.migrations.get(id)?.state ?? "pending"));
}

/** The folder as the caller wrote it. */
function folderOf(migrations: readonly Migration[]): string {
  const [file] = migrations[0]?.files ?? [];
  return file?.shownPath.slice(0, -file.path.length - 1) ?? "migrations";
}

async function refusalsOf(
  client: Client,
  migrations: readonly Migration[],
  journal: Journal,
): Promise<Refusal[]> {
  const missing = missingOf(migrations, journal);
  const refusals: Refusal[] = missing.map((applied) => refuseMissing(applied, migrations, journal));
  const newest = newestOf(journal);
  for (const migration of migrations) {
    const applied = journal.migrations.get(migration.id);
    if (applied === undefined || applied.state === "aborted") {
      if (newest === undefined || compareNumbers(newest, migration.number) <= 0) continue;
      if (missing.some((one) => hasSameText(migration, one))) continue;
      const tooLate = await whyTooLate(client, migration, journal);
      if (tooLate !== undefined) refusals.push(tooLate);
    } else {
      refusals.push(...(await editsOf(client, migration, applied)));
    }
  }
  return refusals;
}

/** The number of the last one that is applied. */
function newestOf({ migrations }: Journal): string | undefined {
  return [...migrations.values()]
    .filter(({ state }) => state !== "aborted")
    .map(({ number }) => number)
    .reduce<string | undefined>(
      (last, number) => (last !== undefined && compareNumbers(last, number) > 0 ? last : number),
      undefined,
    );
}

/** What is applied and has no file of its name, in order. */
function missingOf(migrations: readonly Migration[], journal: Journal): JournalMigration[] {
  const present = new Set(migrations.map(({ id }) => id));
  return [...journal.migrations.values()]
    .filter(({ id, state }) => !present.has(id) && state !== "aborted")
    .sort((a, b) => compareNumbers(a.number, b.number));
}

function refuseMissing(
  applied: JournalMigration,
  migrations: readonly Migration[],
  journal: Journal,
): Refusal {
  const twin = migrations.find(
    (migration) => !journal.migrations.has(migration.id) && hasSameText(migration, applied),
  );
  return twin === undefined
    ? [`${applied.id} is applied, but its file is missing.`, "Restore the file."]
    : [
        `${applied.id} is applied, but its file is now called ${twin.id}.`,
        `Name it ${applied.id} again.`,
      ];
}

function hasSameText(migration: Migration, applied: JournalMigration): boolean {
  const texts = new Set<string>(migration.files.map(({ digest }) => digest));
  return applied.files.length > 0 && applied.files.every(({ digest }) => texts.has(digest));
}

async function editsOf(
  client: Client,
  migration: Migration,
  applied: JournalMigration,
): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  for (const recorded of applied.files) {
    const file = migration.files.find(({ path }) => path === recorded.path);
    if (file === undefined) {
      refusals.push([`${recorded.path} is applied, but missing.`, "Restore the file."]);
    } else if (file.digest !== recorded.digest) {
      const before = await readAppliedText(client, migration.id, recorded.path);
      // A blocked migration may be told what to do with rows that do not convert.
      if (applied.state === "blocked" && recorded.phase === "sync") continue;
      // contract.sql runs whole or not at all: until it has, it may be corrected.
      if (applied.state === "contracting" && recorded.phase === "contract") continue;
      if (applied.state === "expanding" && (await isSafeCorrection(applied, before, file.text))) {
        continue;
      }
      refusals.push([
        `${file.shownPath} was edited after it had been applied.`,
        `applied: ${recorded.digest}`,
        `now:     ${file.digest}`,
        ...firstDifference(before, file.text),
      ]);
    }
  }
  const settled = appliedPhases(applied.state);
  for (const file of migration.files) {
    if (!settled.includes(file.phase)) continue;
    if (applied.files.some(({ path }) => path === file.path)) continue;
    refusals.push([`${file.shownPath} was added after ${migration.id} had been applied.`]);
  }
  return refusals;
}

/**
 * A migration that stopped half way may be corrected from where it stopped: statements that were
 * applied, or may have been, must be as they were.
 */
async function isSafeCorrection(
  applied: JournalMigration,
  before: string,
  now: string,
): Promise<boolean> {
  const fixed = Math.max(0, ...applied.steps.map((step) => step.lastStatement));
  const [old, new_] = [await parse(before), await parse(now)];
  if ("mistake" in old || "mistake" in new_) return false;
  const texts = (parsed: typeof old): string =>
    JSON.stringify(parsed.statements.slice(0, fixed).map(({ text }) => text));
  return texts(old) === texts(new_);
}

function firstDifference(before: string, now: string): string[] {
  const old = redactSecrets(before).split("\n");
  const new_ = redactSecrets(now).split("\n");
  const line = old.findIndex((text, index) => text !== new_[index]);
  const at = line === -1 ? old.length : line;
  const show = (lines: string[]): string => {
    const text = lines[at];
    return text === undefined ? "(the file ends)" : printable(text).trimEnd().slice(0, 200);
  };
  return [`line ${at + 1} was: ${show(old)}`, `line ${at + 1} is:  ${show(new_)}`];
}
