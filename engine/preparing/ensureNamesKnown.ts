import type { Client } from "pg";
import { parseDocument } from "yaml";
import { UserError } from "../../userError";
import { offsetIn } from "../../yamlShape";
import { ensureFollowable } from "./ensureFollowable";
import type { Migration, MigrationFile } from "../files/migration";
import { newColumnsOf, oldColumnsOf, type Sync, syncOf } from "../files/syncFile";
import { wordsOf } from "../sql/mentions";
import { excerpt } from "../sql/sourceText";
import { readSyncTable } from "../sync/syncTable";

/** A name in a sync.yaml, and under which key it stands. */
interface Named {
  readonly path: readonly PropertyKey[];
  readonly name: string;
}

/** A table and the columns of it that a sync needs. */
interface NamedTable extends Named {
  readonly columns: readonly Named[];
}

/**
 * What a sync.yaml names is in the database, or what runs before it mentions it: a misspelt name is
 * found before anything has changed, and so is a table that cannot be followed.
 * @param pending in order; reads the catalog, writes and locks nothing
 * @throws UserError with every name that is neither, and its place
 */
export async function ensureNamesKnown(
  client: Client,
  pending: readonly Migration[],
): Promise<void> {
  const mentioned = new Set<string>();
  const mistakes: string[] = [];
  for (const migration of pending) {
    for (const { phase, text } of migration.files) {
      if (phase === "expand") for (const word of wordsOf(text)) mentioned.add(word);
    }
    const found = syncOf(migration);
    if (found === undefined) continue;
    for (const table of tablesIn(found.sync)) {
      mistakes.push(...(await unknownIn(client, found.file, table, mentioned)));
    }
  }
  if (mistakes.length === 0) return ensureFollowable(client, pending);
  throw new UserError(
    "A pending migration names what is not there; nothing was run.",
    mistakes,
    "correct the names; one that a function makes has to be mentioned in expand.sql, if only in a comment",
  );
}

async function unknownIn(
  client: Client,
  file: MigrationFile,
  table: NamedTable,
  mentioned: ReadonlySet<string>,
): Promise<string[]> {
  const found = await readSyncTable(client, table.name);
  const bare = table.name.split(".").at(-1) ?? table.name;
  if (found === undefined) {
    return mentioned.has(bare) ? [] : mistakeAt(file, table, `There is no table ${table.name}`);
  }
  const isKnown = ({ name }: Named): boolean =>
    mentioned.has(name) || found.columns.some((column) => column.name === name);
  return table.columns
    .filter((column) => !isKnown(column))
    .flatMap((column) => mistakeAt(file, column, `${found.shown} has no column ${column.name}`));
}

function mistakeAt(file: MigrationFile, { path }: Named, problem: string): string[] {
  const document = parseDocument(file.text);
  // A kind with one old and one new column writes them without a list.
  const offset = offsetIn(document, path) ?? offsetIn(document, path.slice(0, -1)) ?? 0;
  const place = excerpt(file, offset).map((line) => `  ${line}`);
  return [`${problem}, and nothing that runs before mentions it.`, ...place];
}

function tablesIn(sync: Sync): NamedTable[] {
  const path = ["table"];
  if (sync.kind === "lookup") {
    const { table, references } = sync;
    const own = ["name", "id"] as const;
    const there = ["id", "name"] as const;
    return [
      { path, name: table, columns: own.map((key) => ({ path: [key], name: sync[key] })) },
      {
        path: ["references", "table"],
        name: references.table,
        columns: there.map((key) => ({ path: ["references", key], name: references[key] })),
      },
    ];
  }
  const columns = [
    ...oldColumnsOf(sync).map((name, index) => ({ path: ["old", index], name })),
    ...newColumnsOf(sync).map((name, index) => ({ path: ["new", index], name })),
  ];
  return [{ path, name: sync.table, columns }];
}
