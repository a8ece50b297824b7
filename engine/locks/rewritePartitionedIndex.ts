import type { IndexStmt } from "libpg-query";
import type { Client } from "pg";
import type { Rewrite, RewritePart } from "../journal/rewrites";
import { scanTokens } from "../sql/parser";
import type { StatementClass, TouchedRelation } from "./classification";
import { chooseIndexName } from "./indexNames";

interface Partition {
  readonly oid: string;
  readonly parent: string;
  readonly schema: string;
  readonly relation: string;
  /** Both, quoted where SQL needs it. */
  readonly sql: string;
  /** `pg_class.relkind`: r table, p partitioned itself, f foreign table. */
  readonly kind: string;
  /** An index that is what is asked for already; it is attached, as PostgreSQL does. */
  readonly index: string | null;
}

/**
 * CREATE INDEX on a partitioned table, which PostgreSQL builds for all partitions at once and never
 * concurrently: first an index of the parent alone, which partitions made from now on get by
 * themselves, then those of the partitions, one after the other, each attached. The last one makes
 * the parent's valid.
 * @returns undefined where there is no such way
 */
export async function rewritePartitionedIndex(
  client: Client,
  { statement }: StatementClass,
  tree: IndexStmt,
  table: TouchedRelation,
): Promise<Rewrite | undefined> {
  const partitions = await partitionsOf(client, tree, table);
  // PostgreSQL would never take an index for valid that a foreign table has no part of.
  if (partitions.some(({ kind }) => kind === "f")) return undefined;
  const create = tree.unique === true ? "CREATE UNIQUE INDEX" : "CREATE INDEX";
  const tail = await textAfterTable(statement.text);
  const taken = new Set<string>();
  const within = (schema: string, name: string): string =>
    `${client.escapeIdentifier(schema)}.${name}`;
  const parent =
    tree.idxname === undefined
      ? await chooseIndexName(client, tree, table, taken)
      : client.escapeIdentifier(tree.idxname);
  const index = within(table.schema, parent);
  const whole = [`${create} ${parent} ON ONLY ${table.sql}${tail}`];
  const undo = [`DROP INDEX IF EXISTS ${index}`];
  const builds: RewritePart[] = [];
  const attachments: RewritePart[] = [];
  const indexes = new Map<string, string>();
  for (const { oid, parent: above, schema, relation, sql, kind, index: present } of partitions) {
    const name =
      present === null
        ? await chooseIndexName(client, tree, { schema, relation }, taken)
        : client.escapeIdentifier(present);
    const own = within(schema, name);
    indexes.set(oid, own);
    const attach = `ALTER INDEX ${indexes.get(above) ?? index} ATTACH PARTITION ${own}`;
    if (kind === "p") {
      whole.push(`${create} ${name} ON ONLY ${sql}${tail}`, attach);
      continue;
    }
    attachments.push({ statements: [attach], alone: false, undo: [] });
    if (present !== null) continue;
    const build = `${create} CONCURRENTLY ${name} ON ${sql}${tail}`;
    builds.push({ statements: [build], alone: true, undo: [] });
    // What is attached goes with its parent, so the parent goes first.
    undo.push(`DROP INDEX IF EXISTS ${own}`);
  }
  return {
    how: "CREATE INDEX ON ONLY the parent, CONCURRENTLY for each partition, ATTACH PARTITION",
    parts: [{ statements: whole, alone: false, undo }, ...builds, ...attachments],
  };
}

/** Partitions at any depth, parents before their children. */
async function partitionsOf(
  client: Client,
  tree: IndexStmt,
  { oid }: TouchedRelation,
): Promise<Partition[]> {
  const { rows } = await client.query<Partition>(
    `WITH RECURSIVE tree AS (
       SELECT inhrelid AS oid, inhparent AS parent, 1 AS depth FROM pg_inherits WHERE inhparent = $1::oid
       UNION ALL
       SELECT i.inhrelid, i.inhparent, depth + 1 FROM pg_inherits i JOIN tree ON inhparent = tree.oid),
     wanted AS (
       SELECT ' USING btree (' || string_agg(quote_ident(name), ', ' ORDER BY place) || ')' AS columns
         FROM unnest($2::text[]) WITH ORDINALITY AS w (name, place))
     SELECT c.oid::text, parent::text, n.nspname::text AS schema, c.relname::text AS relation,
            format('%I.%I', n.nspname, c.relname) AS sql, c.relkind::text AS kind,
            (SELECT min(x.relname)::text
               FROM wanted, pg_index i JOIN pg_class x ON x.oid = i.indexrelid
              WHERE i.indrelid = c.oid AND c.relkind = 'r' AND i.indisvalid AND i.indisunique = $3
                AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.indexrelid)
                AND right(pg_get_indexdef(i.indexrelid), length(columns)) = columns) AS index
       FROM tree JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
      ORDER BY depth, c.relname`,
    [oid, plainColumns(tree), tree.unique === true],
  );
  return rows;
}

/** The columns of an index that has nothing but columns, in the default order; null for any other. */
function plainColumns(tree: IndexStmt): string[] | null {
  const { indexParams = [], indexIncludingParams, whereClause, options, accessMethod } = tree;
  const isMore = [indexIncludingParams, whereClause, options].some((one) => one !== undefined);
  if (isMore || tree.nulls_not_distinct === true || accessMethod !== "btree") return null;
  const names = indexParams.flatMap((element) => {
    if (!("IndexElem" in element)) return [];
    const { name, collation, opclass, ordering, nulls_ordering: nulls } = element.IndexElem;
    const isDefault = ordering === "SORTBY_DEFAULT" && nulls === "SORTBY_NULLS_DEFAULT";
    const isPlain = isDefault && collation === undefined && opclass === undefined;
    return isPlain && name !== undefined ? [name] : [];
  });
  return names.length === indexParams.length ? names : null;
}

/** What stands behind the table's name: ` USING btree (a) WHERE b > 0`. */
async function textAfterTable(text: string): Promise<string> {
  const tokens = await scanTokens(text);
  const word = (index: number): string => tokens[index]?.text.toLowerCase() ?? "";
  let at = tokens.findIndex((token) => token.text.toLowerCase() === "on") + 1;
  while (word(at + 1) === ".") at += 2;
  if (word(at + 1) === "*") at++;
  const end = tokens[at]?.end ?? 0;
  return Buffer.from(text).subarray(end).toString();
}
