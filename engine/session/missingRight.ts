import type { DatabaseError } from "pg";

/** What a statement does to a table, by its first word; what names a table in DDL refers to it. */
const rights: readonly [RegExp, string][] = [
  [/^\s*(select|with|declare)\b/i, "SELECT"],
  [/^\s*insert\b/i, "INSERT"],
  [/^\s*update\b/i, "SELECT, UPDATE"],
  [/^\s*delete\b/i, "SELECT, DELETE"],
  [/^\s*truncate\b/i, "TRUNCATE"],
  [/^\s*create\s+(or\s+replace\s+)?(constraint\s+)?trigger\b/i, "TRIGGER"],
  [/^\s*(create|alter)\s+table\b/i, "REFERENCES"],
];

/**
 * What gives a role the right that PostgreSQL misses, as a person does it.
 * @param statement the one that was refused, where it is known
 * @returns undefined when the message names no object
 */
export function commandForMissingRight(
  { message, detail = "" }: DatabaseError,
  statement = "",
): string | undefined {
  // Its owner meets a policy too, where the table forces it.
  const [, filtered] =
    /^query would be affected by row-level security policy for table (.+)$/.exec(message) ?? [];
  if (filtered !== undefined) return bypassOf(filtered);
  const [, denied, object = ""] = /^permission denied for ([a-z ]+?) (\S.*)$/.exec(message) ?? [];
  switch (denied) {
    case "database":
      return `GRANT ${detail.includes("CONNECT") ? "CONNECT" : "CREATE"} ON DATABASE ${object} TO <role>`;
    case "schema":
      return `GRANT USAGE, CREATE ON SCHEMA ${object} TO <role>`;
    case "sequence":
      return `GRANT USAGE, SELECT, UPDATE ON SEQUENCE ${object} TO <role>`;
    case "function":
    case "procedure":
      return `GRANT EXECUTE ON ${denied.toUpperCase()} ${object} TO <role>`;
    case "type":
      return `GRANT USAGE ON TYPE ${object} TO <role>`;
    case "table":
    case "view":
    case "relation": {
      const right = rights.find(([words]) => words.test(statement))?.[1] ?? "ALL";
      return `GRANT ${right} ON ${object} TO <role>`;
    }
    case undefined:
    default:
      break;
  }
  const [, kind, owned] = /^must be owner of ([a-z ]+?) (\S.*)$/.exec(message) ?? [];
  if (kind === undefined || owned === undefined) return undefined;
  const what = kind === "relation" ? "TABLE" : kind.toUpperCase();
  return `ALTER ${what} ${owned} OWNER TO <role>`;
}

/** What lets a role see all rows of a table, as a superuser or the table's owner says it. */
export function bypassOf(table: string): string {
  return `ALTER ROLE <role> BYPASSRLS, or ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY for its owner`;
}
