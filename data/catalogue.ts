import type { Client } from "pg";

/** A column and how its values are hashed. */
export interface Column {
  readonly name: string;
  /**
   * The extended hash function of its type; `hash_record_extended` where the type's own cannot be
   * called with it; null where the text is hashed: a type without one, one of an extension, or one
   * whose unequal texts hash equal (1.0 and 1.00).
   */
  readonly hash: string | null;
  readonly isCollatable: boolean;
}

export interface Table {
  readonly schema: string;
  readonly name: string;
  /** Both as SQL, quoted where needed: how messages and integrity.yaml call it. */
  readonly shown: string;
  /** Its rows are those of its partitions, which are no tables of their own here. */
  readonly isPartitioned: boolean;
  readonly columns: readonly Column[];
  /** The columns of the primary key, or of another key without NULLs; null without one. */
  readonly key: readonly string[] | null;
}

export interface Catalogue {
  /** In order of their names. */
  readonly tables: readonly Table[];
  /** What holds data and is not compared, a line each. */
  readonly notCompared: readonly string[];
}

/**
 * The tables of a database with their columns, but for those of PostgreSQL, temporary ones and the
 * schema `stateful_cd`, whose journal differs by nature.
 * @param client within withSnapshot
 */
export async function readCatalogue(client: Client): Promise<Catalogue> {
  const { rows: tables } = await client.query<Table>(tablesQuery);
  const { rows } = await client.query<{ line: string }>(notComparedQuery);
  return { tables, notCompared: rows.map(({ line }) => line) };
}

const schemas = `
schemas AS (
  SELECT oid, nspname FROM pg_namespace
   WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'stateful_cd')
     AND nspname !~ '^pg_(temp|toast_temp)_')`;

/**
 * Typed hashing only for PostgreSQL's own scalar types. Equal hash and different text: float's -0,
 * numeric's and jsonb's scale, interval's 1 day and 24 hours, char's blanks, bounds of arrays and
 * of ranges. An enum hashes its label's OID, which a restored dump does not keep.
 */
const tablesQuery = `
WITH RECURSIVE ${schemas},
bases (type, base) AS (
  SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
  UNION ALL
  SELECT d.oid, b.base FROM pg_type d JOIN bases b ON b.type = d.typbasetype WHERE d.typtype = 'd'),
hashes (type, hash) AS (
  SELECT t.oid,
         CASE WHEN f.proargtypes[0] = o.opcintype THEN f.proname ELSE 'hash_record_extended' END
    FROM pg_type t
    JOIN pg_opclass o ON o.opcdefault AND o.opcintype = CASE t.oid
           WHEN 'varchar'::regtype THEN 'text'::regtype
           WHEN 'cidr'::regtype THEN 'inet'::regtype ELSE t.oid END
    JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'hash'
    JOIN pg_amproc p ON p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype
                    AND p.amprocrighttype = o.opcintype AND p.amprocnum = 2
    JOIN pg_proc f ON f.oid = p.amproc
   WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typcategory <> 'A'
     AND t.oid NOT IN ('numeric'::regtype, 'jsonb'::regtype, 'interval'::regtype,
                       'bpchar'::regtype, 'float4'::regtype, 'float8'::regtype)),
keys AS (
  SELECT DISTINCT ON (i.indrelid) i.indrelid,
         (SELECT json_agg(a.attname ORDER BY k.n)
            FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, n)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
           WHERE k.n <= i.indnkeyatts) AS key
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
   WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
     AND NOT EXISTS (
           SELECT FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, n)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.n <= i.indnkeyatts AND a.attnotnull IS NOT TRUE)
   ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, x.relname COLLATE "C")
SELECT s.nspname AS schema, c.relname AS name,
       quote_ident(s.nspname) || '.' || quote_ident(c.relname) AS shown,
       c.relkind = 'p' AS "isPartitioned",
       coalesce((
         SELECT json_agg(json_build_object(
                  'name', a.attname, 'hash', h.hash, 'isCollatable', a.attcollation <> 0)
                  ORDER BY a.attname COLLATE "C")
           FROM pg_attribute a
           JOIN bases b ON b.type = a.atttypid
           LEFT JOIN hashes h ON h.type = b.base
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
       k.key
  FROM pg_class c
  JOIN schemas s ON s.oid = c.relnamespace
  LEFT JOIN keys k ON k.indrelid = c.oid
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
 ORDER BY s.nspname COLLATE "C", c.relname COLLATE "C"`;

const notComparedQuery = `
WITH ${schemas}
SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'foreign table ' END
       || quote_ident(s.nspname) || '.' || quote_ident(c.relname) AS line
  FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
 WHERE c.relkind IN ('m', 'f')
UNION ALL
SELECT count(*) || ' large objects' FROM pg_largeobject_metadata HAVING count(*) > 0
 ORDER BY 1`;
