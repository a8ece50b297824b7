import type { Client } from "pg";
import type { Migration } from "../files/migration";
import { compareNumbers } from "../files/migrationName";
import { expressionsIn, parseSyncFile } from "../files/syncFile";
import { excerpt } from "../sql/sourceText";
import { sharedBy, type Touched, touchedBy } from "../sql/touched";
import { parse } from "../sql/parser";
import { type Journal, type JournalMigration, readAppliedText } from "./journal";

/**
 * Why a migration may not come after those that are applied already; undefined when it may. Empty
 * details mean that nothing but its number is wrong.
 */
export async function whyTooLate(
  client: Client,
  migration: Migration,
  journal: Journal,
): Promise<readonly [string, ...string[]] | undefined> {
  const after = [...journal.migrations.values()]
    .filter(({ state }) => state !== "aborted")
    .filter(({ number }) => compareNumbers(number, migration.number) > 0)
    .sort((a, b) => compareNumbers(a.number, b.number));
  const [first] = after;
  if (first === undefined) return undefined;
  const late = `${migration.id} comes late: ${first.id}, which comes after it, is applied already.`;
  if (!migration.mayBeLate) return [late, "Give it the next free number."];
  const mine = await touchedByFiles(migration);
  if ("mistake" in mine) {
    return [
      late,
      "What this touches cannot be told from its text:",
      ...mine.mistake,
      "Give it the next free number.",
    ];
  }
  for (const applied of after) {
    const shared = await sharedWith(client, mine.touched, applied);
    if (shared !== undefined) {
      return [
        `${migration.id} comes late, and is not disjoint from ${applied.id}, which is applied already: ${shared}.`,
        "Give it the next free number.",
      ];
    }
  }
  return undefined;
}

async function touchedByFiles(
  migration: Migration,
): Promise<{ touched: Touched[] } | { mistake: string[] }> {
  const touched: Touched[] = [];
  for (const file of migration.files) {
    // A check reads only, and contract.sql runs when everything else is there.
    if (file.phase === "check") continue;
    if (file.phase === "sync") {
      touched.push(...(await touchedBySync(file)));
      continue;
    }
    const found = await touchedBy(file.text);
    if (found.untold !== undefined) {
      const parsed = await parse(file.text);
      const statement = "mistake" in parsed ? undefined : parsed.statements[found.untold - 1];
      return { mistake: excerpt(file, statement?.offset ?? 0) };
    }
    touched.push(found);
  }
  return { touched };
}

async function touchedBySync(file: Parameters<typeof parseSyncFile>[0]): Promise<Touched[]> {
  const { sync } = parseSyncFile(file);
  if (sync === undefined) return [];
  const tables = sync.kind === "lookup" ? [sync.table, sync.references.table] : [sync.table];
  const expressions = expressionsIn(file).map(({ text }) => `SELECT (${text}\n);`);
  const { words } = await touchedBy(expressions.join(""));
  const relations = new Set(tables.map((table) => table.split(".").at(-1) ?? table));
  return [{ relations, made: new Set(), words }];
}

/** What a late migration shares with an applied one, for people. */
async function sharedWith(
  client: Client,
  mine: readonly Touched[],
  applied: JournalMigration,
): Promise<string | undefined> {
  for (const { path, phase } of applied.files) {
    if (phase === "check") continue;
    const text = await readAppliedText(client, applied.id, path);
    const theirs =
      phase === "sync"
        ? await touchedBySync({ phase, path, shownPath: path, text, digest: "sha256:" })
        : [await touchedBy(text)];
    for (const touched of theirs) {
      if (touched.untold !== undefined) return `what ${path} touches cannot be told from its text`;
      const shared = mine.map((own) => sharedBy(own, touched)).find((name) => name !== undefined);
      if (shared !== undefined) return `both name ${shared}`;
    }
  }
  return undefined;
}
