import type { Node } from "libpg-query";
import { UserError } from "../../userError";
import type { Journal, MigrationState } from "./journal";
import type { Migration } from "../files/migration";
import { newColumnsOf, oldColumnsOf, syncOf } from "../files/syncFile";
import { parse } from "../sql/parser";
import { excerpt } from "../sql/sourceText";
import { nameOf, nameOfList, type QualifiedName } from "../sql/treeNames";

/** What triggers keep in step, and a later migration has to leave as it is until the contract. */
interface Kept {
  /** The migration whose contract is still to come. */
  readonly by: string;
  readonly table: QualifiedName;
  readonly columns: readonly string[];
  /** Whether its rows are only looked up: another sync may write them, the foreign key follows. */
  readonly isLookedUp: boolean;
}

/**
 * A migration may expand while the contract of an earlier one is still to come, unless both change
 * the same column: its triggers would take one release's write for the other's, or fail it.
 * @param pending what is to be applied, in order
 * @throws UserError with every such statement, before anything is run
 */
export async function ensureNotKept(
  pending: readonly Migration[],
  migrations: readonly Migration[],
  journal: Journal | undefined,
): Promise<void> {
  const stateOf = ({ id }: Migration): MigrationState =>
    journal?.migrations.get(id)?.state ?? "pending";
  const lines: string[] = [];
  const holders: string[] = [];
  const toRun = new Set(pending);
  const open: Kept[] = [];
  for (const migration of migrations) {
    const changes = toRun.has(migration) ? await changesOf(migration, open) : [];
    for (const [by, ...found] of changes) {
      holders.push(by);
      lines.push(...found);
    }
    if (stateOf(migration) !== "done") open.push(...keptBy(migration));
  }
  const [first] = holders;
  if (first === undefined) return;
  throw new UserError(
    "A pending migration changes what the contract of an earlier one is still to end; nothing was run.",
    lines,
    `pulumi up once no old release runs, or npm run migrations -- contract --through ${first} --old-role <login of the old release>; then run the same command again`,
  );
}

function keptBy(migration: Migration): Kept[] {
  const sync = syncOf(migration)?.sync;
  // Once it is filled a column is like any other: nothing keeps it in step.
  if (sync === undefined || sync.kind === "fill") return [];
  const by = migration.id;
  const columns = [...oldColumnsOf(sync), ...newColumnsOf(sync)];
  const own = { by, table: qualified(sync.table), columns, isLookedUp: false };
  if (sync.kind === "columns") return [own];
  const { table, id, name } = sync.references;
  return [own, { by, table: qualified(table), columns: [id, name], isLookedUp: true }];
}

/** Each place where a migration changes what is kept: by whom, then lines for people. */
async function changesOf(
  migration: Migration,
  open: readonly Kept[],
): Promise<[by: string, ...lines: string[]][]> {
  if (open.length === 0) return [];
  const found: [string, ...string[]][] = [];
  const file = migration.files.find(({ phase }) => phase === "expand");
  const parsed = file === undefined ? undefined : await parse(file.text);
  for (const { tree, offset } of parsed && "statements" in parsed ? parsed.statements : []) {
    for (const kept of open) {
      const what = changed(tree, kept);
      if (what === undefined || file === undefined) continue;
      const [place = file.shownPath, ...lines] = excerpt(file, offset);
      const where = [place, ...lines.map((line) => `  ${line}`)];
      found.push([kept.by, `${kept.by} keeps ${what} in step until its contract:`, ...where]);
    }
  }
  const sync = syncOf(migration)?.sync;
  if (sync === undefined) return found;
  const mine = [...oldColumnsOf(sync), ...newColumnsOf(sync)];
  for (const { by, table, columns, isLookedUp } of open) {
    if (isLookedUp || !isSame(table, qualified(sync.table))) continue;
    const shared = mine.filter((column) => columns.includes(column));
    if (shared.length === 0) continue;
    const what = `${shared.join(", ")} of ${table.name}`;
    const line = `${by} keeps ${what} in step until its contract, and so would ${migration.id}.`;
    found.push([by, line]);
  }
  return found;
}

/** Commands whose name is a column's, and after which a trigger would do something else or fail. */
const columnCommands = new Set([
  ...["AT_AddColumn", "AT_DropColumn", "AT_AlterColumnType", "AT_ColumnDefault"],
  ...["AT_AddIdentity", "AT_SetIdentity", "AT_DropIdentity", "AT_SetExpression"],
  ...["AT_DropExpression", "AT_SetNotNull", "AT_DropNotNull"],
]);

/** What a statement changes of it, for people. */
function changed(tree: Node, { table, columns }: Kept): string | undefined {
  const column = (name: string | undefined): string | undefined =>
    name !== undefined && columns.includes(name) ? `${name} of ${table.name}` : undefined;
  if ("AlterTableStmt" in tree) {
    const { relation, cmds = [] } = tree.AlterTableStmt;
    if (!isSame(table, nameOf(relation))) return undefined;
    return cmds.map((cmd) => column(columnOf(cmd))).find((what) => what !== undefined);
  }
  if ("RenameStmt" in tree) {
    const { relation, renameType, subname } = tree.RenameStmt;
    if (relation === undefined || !isSame(table, nameOf(relation))) return undefined;
    if (renameType === "OBJECT_COLUMN") return column(subname);
    return renameType === "OBJECT_TABLE" ? `columns of ${table.name}` : undefined;
  }
  if ("AlterObjectSchemaStmt" in tree) {
    const { relation } = tree.AlterObjectSchemaStmt;
    const isIts = relation !== undefined && isSame(table, nameOf(relation));
    return isIts ? `columns of ${table.name}` : undefined;
  }
  if ("DropStmt" in tree && tree.DropStmt.removeType === "OBJECT_TABLE") {
    const names = (tree.DropStmt.objects ?? []).map(nameOfList);
    return names.some((name) => isSame(table, name)) ? `columns of ${table.name}` : undefined;
  }
  return undefined;
}

function columnOf(command: Node): string | undefined {
  if (!("AlterTableCmd" in command)) return undefined;
  const { subtype = "", name, def } = command.AlterTableCmd;
  if (!columnCommands.has(subtype)) return undefined;
  return def !== undefined && "ColumnDef" in def ? (def.ColumnDef.colname ?? name) : name;
}

function qualified(name: string): QualifiedName {
  const [first = "", second] = name.split(".");
  return second === undefined ? { name: first } : { schema: first, name: second };
}

/** A name without its schema may be any table's of that name. */
function isSame(a: QualifiedName, b: QualifiedName): boolean {
  const isSchema = a.schema === undefined || b.schema === undefined || a.schema === b.schema;
  return a.name === b.name && isSchema;
}
