import type { Client } from "pg";
import { UserError } from "../../userError";
import type { Migration, MigrationFile } from "../files/migration";
import type { JournalMigration } from "../journal/journal";
import { readAppliedText } from "../journal/journal";
import { type BegunRewrite, findRewrite, undoOf } from "../journal/rewrites";
import { parse, parseTrees } from "../sql/parser";
import { excerpt, headOf } from "../sql/sourceText";
import { takeBackAll } from "../sql/takeBack";
import { goesWithNewColumns } from "./newColumns";

/**
 * What takes back the part of expand.sql that was applied, derived from its statements, the last one
 * first.
 * @throws UserError naming every statement that only abort.sql can take back
 */
export async function takeBackExpand(
  client: Client,
  migration: Migration,
  applied: JournalMigration,
): Promise<string[]> {
  const file = migration.files.find(({ phase }) => phase === "expand");
  if (file === undefined) return [];
  const text = await readAppliedText(client, migration.id, file.path);
  const parsed = await parse(text);
  if ("mistake" in parsed) throw new Error(`${file.path} was applied and does not parse`);
  const steps = applied.steps.filter(({ phase }) => phase === "expand");
  const done = Math.max(0, ...steps.filter(isDone).map((step) => step.lastStatement));
  const running = steps.find((step) => !isDone(step))?.firstStatement;
  const begun = await halfDone(client, migration, running);
  const trees = await parseTrees(text);
  const ways = takeBackAll(trees).map((way, index) => {
    const tree = trees[index];
    return way ?? (tree && goesWithNewColumns(tree, trees) ? [] : undefined);
  });
  const statements: string[] = [];
  const unknown: string[] = [];
  for (const statement of parsed.statements) {
    const { number, kind, offset } = statement;
    if (number > done && number !== running) continue;
    const way = number === running && begun !== undefined ? undoSoFar(begun) : ways[number - 1];
    if (way === undefined) {
      unknown.push(headOf(statement.text), ...placeIn({ ...file, text }, offset));
    } else if (number === running && begun === undefined && kind === "IndexStmt") {
      // It may have come to an index, a valid or an invalid one, or to none.
      statements.unshift(...way.map((drop) => drop.replace("DROP INDEX", "DROP INDEX IF EXISTS")));
    } else {
      statements.unshift(...way);
    }
  }
  if (unknown.length > 0) throw underivable(migration, file, unknown);
  return statements;
}

/** The statement in parts that a crash has interrupted; a journal of before knows of none. */
async function halfDone(
  client: Client,
  { id }: Migration,
  running: number | undefined,
): Promise<BegunRewrite | undefined> {
  if (running === undefined) return undefined;
  const { rowCount } = await client.query(
    "SELECT FROM pg_class WHERE relname = 'rewrites' AND relnamespace = to_regnamespace('stateful_cd')::oid",
  );
  if (rowCount === 0) return undefined;
  return findRewrite(client, { migration: id, phase: "expand", first: running });
}

/** An index that is built alone may be there, valid or not, before its part counts as done. */
function undoSoFar({ rewrite: { parts }, done }: BegunRewrite): string[] | undefined {
  return undoOf(parts.slice(0, parts[done]?.alone === true ? done + 1 : done));
}

function isDone({ state }: JournalMigration["steps"][number]): boolean {
  return state === "done";
}

function placeIn(file: MigrationFile, offset: number): string[] {
  return excerpt(file, offset).map((line) => `  ${line}`);
}

function underivable({ id }: Migration, file: MigrationFile, unknown: string[]): UserError {
  const abortFile = file.shownPath.replace(/expand\.sql$/, "abort.sql");
  return new UserError(
    `Migration ${id} cannot be taken back by itself; nothing was changed.`,
    ["Nothing in these statements tells what was there before:", ...unknown],
    `write ${abortFile}, which takes back all of expand.sql, then run the same command again`,
  );
}
