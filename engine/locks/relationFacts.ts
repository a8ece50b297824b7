import type { Client } from "pg";
import { mayLookInto, quoted } from "../sql/catalogName";
import type { QualifiedName } from "../sql/treeNames";

export interface ColumnFacts {
  readonly name: string;
  readonly type: string;
  /** `pg_attribute.atttypmod`; -1 for none. */
  readonly modifier: number;
  readonly notNull: boolean;
  /** Its collation is not that of its type. */
  readonly isCollated: boolean;
}

export interface IndexFacts {
  readonly name: string;
  /** All that it is made of, its expressions and its condition included. */
  readonly columns: readonly string[];
  /** Without expressions and without a condition. */
  readonly isPlain: boolean;
}

export interface ConstraintFacts {
  readonly name: string;
  /** `pg_constraint.contype`: c check, f foreign key, p primary key, u unique. */
  readonly type: string;
  readonly validated: boolean;
  readonly definition: string;
  readonly columns: readonly string[];
  /** The other table of a foreign key. */
  readonly references: string | null;
  /** The columns there that it points to. */
  readonly referencedColumns: readonly string[];
}

/** What the catalog knows of a relation that a statement names, or of one beside it. */
export interface RelationFacts {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly sql: string;
  readonly kind: string;
  /** Its schema is the one that names without a schema are made in. */
  readonly isOfCurrentSchema: boolean;
  readonly rows: number;
  readonly bytes: number;
  readonly columns: readonly ColumnFacts[];
  readonly constraints: readonly ConstraintFacts[];
  readonly indexes: readonly IndexFacts[];
  /** Columns of each unique index without expressions and conditions. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Partitions and heirs, at any depth. */
  readonly children: readonly string[];
  /** What it is a partition of, or inherits from. */
  readonly parents: readonly string[];
  /** Tables whose foreign keys point here. */
  readonly referencedBy: readonly string[];
  readonly defaultPartition: string | null;
  /** The table it is an index of. */
  readonly table: string | null;
  /** The table that a sequence belongs to, or the tables that a view reads. */
  readonly uses: readonly string[];
}

/** Relations by the name a statement uses and by OID. */
export interface Catalog {
  named(name: QualifiedName): RelationFacts | undefined;
  numbered(oid: string | null): RelationFacts | undefined;
  /** What is known once a relation has been given another name or schema. */
  moved(
    from: QualifiedName,
    to: Partial<QualifiedName>,
    sqlOf: (name: QualifiedName) => string,
  ): Catalog;
}

interface FoundRelation extends RelationFacts {
  asked: number[];
}

/**
 * Reads in one round trip all that classification needs of the relations named, their partitions,
 * their partners by foreign key and the tables of indexes. It waits for nobody: the size of a
 * table that somebody has locked against readers comes from the last vacuum.
 */
export async function readCatalog(
  client: Client,
  names: readonly QualifiedName[],
): Promise<Catalog> {
  if (names.length === 0) return catalogOf([], []);
  const { rows } = await client.query<FoundRelation>(factsQuery, [
    names.map((name) => quoted(client, name)),
    names.map(({ schema }) => schema),
  ]);
  return catalogOf(names, rows);
}

function catalogOf(names: readonly QualifiedName[], found: readonly FoundRelation[]): Catalog {
  const byOid = new Map(found.map((facts) => [facts.oid, facts]));
  const byName = new Map<string, RelationFacts>();
  for (const facts of found) {
    for (const position of facts.asked) byName.set(keyOfName(names[position - 1]), facts);
  }
  return catalogIn(byName, byOid);
}

function catalogIn(
  byName: ReadonlyMap<string, RelationFacts>,
  byOid: ReadonlyMap<string, RelationFacts>,
): Catalog {
  return {
    named: (name) => byName.get(keyOfName(name)),
    numbered: (oid) => (oid === null ? undefined : byOid.get(oid)),
    moved: (from, to, sqlOf) => {
      const before = byName.get(keyOfName(from));
      if (before === undefined) return catalogIn(byName, byOid);
      const { schema = before.schema, name = before.name } = to;
      const now = { ...before, schema, name, sql: sqlOf({ schema, name }) };
      const names = [...byName].filter(([, { oid }]) => oid !== before.oid);
      const spellings = [{ schema, name }, ...(from.schema === undefined ? [{ name }] : [])];
      return catalogIn(
        new Map([...names, ...spellings.map((one) => [keyOfName(one), now] as const)]),
        new Map([...byOid, [before.oid, now]]),
      );
    },
  };
}

/** One key for a name as written. */
export function keyOfName(name: QualifiedName | undefined): string {
  return JSON.stringify([name?.schema ?? "", name?.name ?? ""]);
}

const factsQuery = `
  WITH RECURSIVE asked AS (
    SELECT CASE WHEN ${mayLookInto("schema")} THEN to_regclass(n)::oid END AS oid, place
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (n, schema, place)),
  roots AS (
    SELECT oid FROM asked WHERE oid IS NOT NULL
    UNION SELECT indrelid FROM pg_index JOIN asked ON indexrelid = asked.oid
    UNION SELECT refobjid FROM pg_depend JOIN asked ON objid = asked.oid
     WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')),
  tree AS (
    SELECT oid, oid AS root FROM roots
    UNION SELECT inhrelid, root FROM pg_inherits JOIN tree ON inhparent = tree.oid),
  nearby AS (
    SELECT oid FROM tree
    UNION SELECT confrelid FROM pg_constraint JOIN tree ON conrelid = tree.oid WHERE contype = 'f'
    UNION SELECT conrelid FROM pg_constraint JOIN tree ON confrelid = tree.oid WHERE contype = 'f'
    UNION SELECT inhparent FROM pg_inherits JOIN roots ON inhrelid = roots.oid
    UNION SELECT d.refobjid FROM pg_rewrite r JOIN roots ON r.ev_class = roots.oid
      JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass
                      AND d.refclassid = 'pg_class'::regclass),
  closed AS MATERIALIZED (
    SELECT relation FROM pg_locks
     WHERE mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid() AND relation IS NOT NULL),
  sized AS (
    SELECT c.oid, greatest(c.reltuples, -1) AS tuples,
           CASE WHEN c.relkind NOT IN ('r', 'm', 't') THEN 0
                WHEN c.oid IN (SELECT relation FROM closed)
                  THEN c.relpages * current_setting('block_size')::bigint
                ELSE coalesce(pg_relation_size(c.oid), 0) END AS bytes
      FROM pg_class c WHERE c.oid IN (SELECT oid FROM nearby)),
  counted AS (
    SELECT oid, bytes, CASE WHEN bytes = 0 THEN 0 WHEN tuples < 0 THEN bytes / 100 ELSE tuples END AS rows
      FROM sized)
  SELECT c.oid::text, n.nspname::text AS schema, c.relname::text AS name,
         format('%I.%I', n.nspname, c.relname) AS sql, c.relkind::text AS kind,
         coalesce(n.nspname = current_schema(), false) AS "isOfCurrentSchema",
         (SELECT coalesce(sum(rows), 0) FROM counted WHERE counted.oid = c.oid)::float8 AS rows,
         (SELECT coalesce(sum(bytes), 0) FROM counted WHERE counted.oid = c.oid)::float8 AS bytes,
         coalesce((SELECT json_agg(json_build_object('name', attname, 'type', atttypid::text,
                            'modifier', atttypmod, 'notNull', attnotnull,
                            'isCollated', attcollation <> typcollation) ORDER BY attnum)
                     FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
                    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '[]') AS columns,
         coalesce((SELECT json_agg(json_build_object('name', conname, 'type', contype,
                            'validated', convalidated, 'definition', pg_get_constraintdef(o.oid),
                            'columns', (SELECT coalesce(json_agg(attname), '[]') FROM pg_attribute
                                         WHERE attrelid = conrelid AND attnum = ANY (conkey)),
                            'references', nullif(confrelid, 0)::text,
                            'referencedColumns', (SELECT coalesce(json_agg(attname), '[]')
                               FROM pg_attribute WHERE attrelid = confrelid AND attnum = ANY (confkey))))
                     FROM pg_constraint o WHERE conrelid = c.oid), '[]') AS constraints,
         coalesce((SELECT json_agg(json_build_object('name', indexrelid::regclass::text,
                            'isPlain', indexprs IS NULL AND indpred IS NULL,
                            'columns', (SELECT coalesce(json_agg(attname), '[]') FROM pg_attribute
                               WHERE attrelid = c.oid AND (attnum = ANY (indkey) OR attnum IN (
                                     SELECT refobjsubid FROM pg_depend
                                      WHERE classid = 'pg_class'::regclass AND objid = indexrelid
                                        AND refclassid = 'pg_class'::regclass AND refobjid = c.oid))))
                            ORDER BY indexrelid)
                     FROM pg_index WHERE indrelid = c.oid), '[]') AS indexes,
         coalesce((SELECT json_agg((SELECT json_agg(attname) FROM pg_attribute
                                     WHERE attrelid = c.oid AND attnum = ANY (indkey)))
                     FROM pg_index WHERE indrelid = c.oid AND indisunique AND indisvalid
                      AND indexprs IS NULL AND indpred IS NULL), '[]') AS "uniqueKeys",
         coalesce((SELECT json_agg(oid::text) FROM tree WHERE root = c.oid AND oid <> c.oid), '[]') AS children,
         coalesce((SELECT json_agg(inhparent::text) FROM pg_inherits WHERE inhrelid = c.oid), '[]') AS parents,
         coalesce((SELECT json_agg(DISTINCT conrelid::text) FROM pg_constraint
                    WHERE confrelid = c.oid AND contype = 'f'), '[]') AS "referencedBy",
         (SELECT nullif(partdefid, 0)::text FROM pg_partitioned_table WHERE partrelid = c.oid) AS "defaultPartition",
         (SELECT indrelid::text FROM pg_index WHERE indexrelid = c.oid) AS "table",
         coalesce((SELECT json_agg(DISTINCT d.refobjid::text) FROM pg_depend d
                     LEFT JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
                    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
                      AND (r.ev_class = c.oid
                           OR d.classid = 'pg_class'::regclass AND d.objid = c.oid AND c.relkind = 'S')), '[]') AS uses,
         coalesce((SELECT json_agg(place) FROM asked WHERE asked.oid = c.oid), '[]') AS asked
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid IN (SELECT oid FROM nearby)`;
