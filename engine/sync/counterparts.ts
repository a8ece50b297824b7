import type { Client } from "pg";
import type { SameValue } from "../files/sameValueSync";
import { cutName } from "./syncNames";
import type { SyncProblem } from "./syncProblem";
import type { SyncTable } from "./syncTable";

interface Counterpart {
  /** Primary key, what a foreign key refers to, unique, another rule, foreign key. */
  kind: "p" | "r" | "u" | "rule" | "f";
  name: string;
  columns: string[];
  /** What the foreign key refers to, or the rule in full. */
  definition: string | null;
}

/**
 * Keys and rules of the old column that the new one does not have: after contract they would hold
 * for the archive only. Of a rule only its columns are compared, and whether it is of all rows and of
 * columns alone: what is right for another type is the author's to say.
 */
export async function missingCounterparts(
  client: Client,
  same: SameValue,
  table: SyncTable,
): Promise<SyncProblem[]> {
  const { rows } = await client.query<Counterpart>(counterpartsQuery, [
    table.sql,
    same.old,
    same.new,
  ]);
  return rows.map((missing) => ({
    text: problemOf(client, missing, same, table),
    mendedBy: mendedBy[missing.kind],
  }));
}

/** One statement may give the new column what is missing: it has one of these words. */
const mendedBy: Readonly<Record<Counterpart["kind"], readonly string[]>> = {
  p: ["drop"],
  r: ["drop"],
  u: ["unique", "primary", "drop"],
  rule: ["check", "exclude", "index", "unique", "drop"],
  f: ["references", "drop"],
};

function problemOf(
  client: Client,
  { kind, name, columns, definition }: Counterpart,
  same: SameValue,
  { sql, shown, name: table }: SyncTable,
): string {
  const q = (text: string): string => client.escapeIdentifier(text);
  const counterparts = columns.map((column) => (column === same.old ? same.new : column));
  const list = counterparts.map(q).join(", ");
  switch (kind) {
    case "p":
      return `${shown}.${same.old} is of the primary key ${name}: the backfill finds its rows by it, and a column of it cannot be archived. Change its type where it stands, with "-- atomic: true" on the file's first line, at an hour when nobody works with the table: npm run migrations -- plan tells how long it takes.`;
    case "r":
      return `${shown}.${same.old} is what the foreign key ${name} refers to: let that refer to another column first, in a migration before.`;
    case "u": {
      const index = q(cutName(`${[table, ...counterparts].join("_")}_key`));
      return `${shown}.${same.old} is unique by ${name}, and ${same.new} is not: add to expand.sql CREATE UNIQUE INDEX CONCURRENTLY ${index} ON ${sql} (${list});`;
    }
    case "rule":
      return `${shown}.${same.old} is under the rule ${name}, and ${same.new} is under none of its kind: ${definition ?? ""}. Add it for ${same.new} to expand.sql, or drop it there.`;
    case "f":
      return `${shown}.${same.old} is a foreign key by ${name}, and ${same.new} is not: add to expand.sql ALTER TABLE ${sql} ADD FOREIGN KEY (${list}) ${definition ?? ""};`;
  }
}

/** The columns of an index's expressions and predicate are known from pg_depend alone. */
const counterpartsQuery = `
  WITH names AS (
    SELECT x.kind, x.form, x.name, x.definition,
           ARRAY(SELECT a.attname::text FROM unnest(x.keys) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_attribute a ON a.attrelid = $1::regclass AND a.attnum = k.attnum
                  ORDER BY k.place) AS columns
      FROM (SELECT CASE WHEN i.indisprimary THEN 'p'
                        WHEN i.indisexclusion OR i.indpred IS NOT NULL OR i.indexprs IS NOT NULL THEN 'rule'
                        ELSE 'u' END AS kind,
                   ARRAY[i.indisexclusion, i.indpred IS NOT NULL, i.indexprs IS NOT NULL] AS form,
                   i.indexrelid::regclass::text AS name,
                   coalesce((SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c
                              WHERE c.conindid = i.indexrelid AND c.contype = 'x'),
                            pg_get_indexdef(i.indexrelid)) AS definition,
                   (i.indkey::int2[])[0:i.indnkeyatts - 1]
                     || ARRAY(SELECT DISTINCT d.refobjsubid::int2 FROM pg_depend d
                               WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                                 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
                                 AND d.refobjsubid <> ALL (i.indkey::int2[])) AS keys
              FROM pg_index i
             WHERE i.indrelid = $1::regclass AND i.indisvalid AND (i.indisunique OR i.indisexclusion)
            UNION ALL
            SELECT 'rule', NULL, c.conname, pg_get_constraintdef(c.oid), c.conkey
              FROM pg_constraint c WHERE c.conrelid = $1::regclass AND c.contype = 'c'
            UNION ALL
            SELECT 'f', NULL, c.conname,
                   regexp_replace(pg_get_constraintdef(c.oid), '^.*? (REFERENCES .*?)( NOT VALID)?$', '\\1'),
                   c.conkey
              FROM pg_constraint c WHERE c.conrelid = $1::regclass AND c.contype = 'f'
            UNION ALL
            SELECT 'r', NULL, c.conname, NULL, c.confkey
              FROM pg_constraint c WHERE c.confrelid = $1::regclass AND c.contype = 'f') x)
  SELECT kind, name, columns, definition FROM names old
   WHERE $2 = ANY (columns)
     AND (kind IN ('p', 'r') OR NOT EXISTS (
       SELECT FROM names new WHERE new.kind = old.kind AND new.form IS NOT DISTINCT FROM old.form
          AND new.columns @> array_replace(old.columns, $2, $3)
          AND array_replace(old.columns, $2, $3) @> new.columns))
   ORDER BY CASE kind WHEN 'f' THEN 1 WHEN 'p' THEN 2 WHEN 'r' THEN 3 ELSE 4 END, name`;
