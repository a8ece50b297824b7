import { type Client, escapeIdentifier } from "pg";

interface OwnedSequence {
  readonly schema: string;
  readonly sequence: string;
  readonly tableSchema: string;
  readonly table: string;
  readonly column: string;
  readonly increment: string;
  readonly least: string;
  readonly most: string;
}

/**
 * Sequences of columns whose next value is one that the column has passed already, or that have
 * none left; a line each. The next insert would fail.
 */
export async function findSpentSequences(client: Client): Promise<string[]> {
  const { rows } = await client.query<OwnedSequence>(ownedSequences);
  const lines: string[] = [];
  for (const owned of rows) lines.push(...(await judge(client, owned)));
  return lines;
}

const ownedSequences = `
SELECT s.nspname AS schema, c.relname AS sequence, n.nspname AS "tableSchema", t.relname AS table,
       a.attname AS column, q.seqincrement::text AS increment, q.seqmin::text AS least,
       q.seqmax::text AS most
  FROM pg_catalog.pg_sequence q
  JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
  JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
   AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
 WHERE NOT q.seqcycle AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
   AND s.nspname <> 'stateful_cd' AND c.relpersistence <> 't'
 ORDER BY 1, 2`;

async function judge(client: Client, owned: OwnedSequence): Promise<string[]> {
  const column = escapeIdentifier(owned.column);
  const table = `${escapeIdentifier(owned.tableSchema)}.${escapeIdentifier(owned.table)}`;
  const sequence = `${escapeIdentifier(owned.schema)}.${escapeIdentifier(owned.sequence)}`;
  const isRising = !owned.increment.startsWith("-");
  const extreme = `${isRising ? "max" : "min"}(${column})`;
  // numeric: the next value may lie beyond bigint.
  const { rows } = await client.query<{ next: string; passed: string | null; bad: boolean }>(
    `SELECT next::text, passed::text,
            coalesce(next ${isRising ? "<=" : ">="} passed, false) OR next NOT BETWEEN $2 AND $3 AS bad
       FROM (SELECT last_value::numeric + CASE WHEN is_called THEN $1::numeric ELSE 0 END AS next,
                    (SELECT ${extreme} FROM ${table}) AS passed FROM ${sequence}) AS s`,
    [owned.increment, owned.least, owned.most],
  );
  const [row] = rows;
  if (row?.bad !== true) return [];
  const holds = `${owned.tableSchema}.${owned.table}.${owned.column} holds ${row.passed ?? "nothing"}`;
  return [`sequence ${owned.schema}.${owned.sequence} would give ${row.next} next; ${holds}`];
}
