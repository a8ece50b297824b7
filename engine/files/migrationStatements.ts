import type { Migration, MigrationFile } from "./migration";
import type { FolderMistake } from "./migrationText";
import { parse, type Mistake, type Statement } from "../sql/parser";
import { excerpt } from "../sql/sourceText";
import { repeatableMistakes } from "./repeatableRules";
import { expressionsIn, indexElementsIn } from "./syncFile";

interface FileStatements {
  readonly statements: readonly Statement[];
  readonly mistakes: readonly FolderMistake[];
}

const known = new WeakMap<MigrationFile, Promise<FileStatements>>();

/** The statements of a file that checkStatements has passed; parsed once a file and process. */
export async function statementsOf(file: MigrationFile): Promise<readonly Statement[]> {
  return (await parsed(file)).statements;
}

/** Every mistake that the SQL of these migrations shows without a database. */
export async function checkStatements(migrations: readonly Migration[]): Promise<FolderMistake[]> {
  return checkFiles(migrations.flatMap(({ files }) => files));
}

/** The same for files. */
export async function checkFiles(files: readonly MigrationFile[]): Promise<FolderMistake[]> {
  const mistakes: FolderMistake[] = [];
  for (const file of files) mistakes.push(...(await parsed(file)).mistakes);
  return mistakes;
}

function parsed(file: MigrationFile): Promise<FileStatements> {
  const found = known.get(file) ?? parseFile(file);
  known.set(file, found);
  return found;
}

async function parseFile(file: MigrationFile): Promise<FileStatements> {
  if (file.phase === "sync") return { statements: [], mistakes: await expressionMistakes(file) };
  const result = await parse(file.text);
  if ("mistake" in result) return { statements: [], mistakes: [inFile(file, result.mistake)] };
  const { statements } = result;
  if (statements.length === 0) {
    const what = file.text.trim() === "" ? "is empty" : "holds no statement";
    return {
      statements,
      mistakes: [[`${file.shownPath} ${what}.`, "Write a statement, or delete the file."]],
    };
  }
  const mistakes = mistakesIn(file, statements);
  return { statements, mistakes: mistakes.map((mistake) => inFile(file, mistake)) };
}

function mistakesIn(file: MigrationFile, statements: readonly Statement[]): Mistake[] {
  if (file.phase === "check") return checkMistakes(statements);
  if (file.phase === "repeatable") return repeatableMistakes(statements);
  return [...standingMistakes(statements), ...endingMistakes(file, statements)];
}

function inFile(file: MigrationFile, mistake: Mistake): FolderMistake {
  const fix = mistake.fix === undefined ? [] : [`fix: ${mistake.fix}`];
  return [`${mistake.problem}.`, ...excerpt(file, mistake.offset), ...fix];
}

/** A check is one query: it must return no row, and it must change none. */
function checkMistakes(statements: readonly Statement[]): Mistake[] {
  const wrong = statements.find(({ kind }, index) => index > 0 || kind !== "SelectStmt");
  if (wrong === undefined) return [];
  return [
    {
      offset: wrong.offset,
      problem: "A check is one query that returns the rows that are wrong",
      fix: "write one SELECT a file",
    },
  ];
}

/** The expressions of sync.yaml are SQL too. */
async function expressionMistakes(file: MigrationFile): Promise<FolderMistake[]> {
  const mistakes: FolderMistake[] = [];
  for (const { key, text, offset } of expressionsIn(file)) {
    // Without the parentheses, too: `a), (b` would end those that the triggers put around it.
    let result = await parse(`SELECT ${text}`);
    if (!("mistake" in result)) result = await parse(`SELECT (${text}\n)`);
    if (!("mistake" in result)) continue;
    mistakes.push([`${key}: ${result.mistake.problem}.`, ...excerpt(file, offset)]);
  }
  // Else only the build of the index would find out, when all rows are filled.
  for (const { key, text, offset } of indexElementsIn(file)) {
    const result = await parse(`CREATE INDEX ON t (${text}\n)`);
    if (!("mistake" in result) && isOneElement(result.statements)) continue;
    const problem =
      "mistake" in result ? result.mistake.problem : "is more than one column or expression";
    mistakes.push([`${key}: ${problem}.`, ...excerpt(file, offset)]);
  }
  return mistakes;
}

/** `city) WHERE (city > ''` ends the list of columns, and would be an index of its own kind. */
function isOneElement([index, ...more]: readonly Statement[]): boolean {
  if (index === undefined || more.length > 0 || !("IndexStmt" in index.tree)) return false;
  const { indexParams, indexIncludingParams, options, whereClause } = index.tree.IndexStmt;
  const others = [indexIncludingParams, options, whereClause];
  return indexParams?.length === 1 && others.every((part) => part === undefined);
}

/** contract.sql, abort.sql and undo.sql are part of one short transaction that holds strong locks. */
function endingMistakes(file: MigrationFile, statements: readonly Statement[]): Mistake[] {
  if (!["contract", "abort", "undo"].includes(file.phase)) return [];
  return statements
    .filter(
      ({ standing }) => standing.standing !== "transaction" && standing.standing !== "refused",
    )
    .map(({ offset }) => ({
      offset,
      problem: `${file.phase}.sql is one transaction: this statement cannot be part of it`,
      fix: "put it into a later migration",
    }));
}

/** Statements that are refused, and BEGIN and COMMIT that do not pair. */
function standingMistakes(statements: readonly Statement[]): Mistake[] {
  const mistakes: Mistake[] = [];
  let open: Statement | undefined;
  for (const statement of statements) {
    const { offset, standing } = statement;
    if (standing.standing === "refused") {
      mistakes.push({ offset, problem: standing.why, fix: standing.fix });
    } else if (standing.standing === "begin") {
      if (open !== undefined) mistakes.push({ offset, problem: "BEGIN inside a transaction" });
      open = statement;
    } else if (standing.standing === "commit") {
      if (open === undefined) mistakes.push({ offset, problem: "COMMIT without BEGIN" });
      open = undefined;
    } else if (standing.standing === "alone" && open !== undefined && !mayJoin(statement)) {
      mistakes.push({
        offset,
        problem: "PostgreSQL refuses this statement inside a transaction",
        fix: "move it behind COMMIT",
      });
    }
  }
  if (open !== undefined) {
    mistakes.push({ offset: open.offset, problem: "This BEGIN has no COMMIT" });
  }
  return mistakes;
}

/** ALTER TYPE ADD VALUE may run in a transaction as long as the value is not used in it. */
function mayJoin({ standing }: Statement): boolean {
  return standing.standing === "alone" && standing.alone.action === "addEnumValue";
}
