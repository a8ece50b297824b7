import type { Node, TypeName } from "libpg-query";
import type { Client } from "pg";
import { mayLookInto } from "../sql/catalogName";
import { nameOfParts, nodesIn, sqlOfType, textsOf } from "../sql/treeNames";

export interface TypeFacts {
  readonly oid: string;
  /** The type below a domain, else the type itself. */
  readonly base: string;
  /** A domain with CHECK or NOT NULL. */
  readonly constrained: boolean;
}

/** What the catalog knows of the types and functions that statements use. */
export interface Vocabulary {
  type(name: TypeName | undefined): TypeFacts | undefined;
  base(oid: string): string;
  /** Whether values of one type are values of the other, byte by byte. */
  isBinaryCoercible(from: string, to: string): boolean;
  /** Whether an expression may give another value for every row. */
  isVolatile(expression: Node): boolean;
  /** Whether a tree calls functions of its own, which may do anything for as long as they like. */
  callsOwn(tree: Node): boolean;
  /** The session's time zone is UTC: timestamp and timestamptz are the same bytes. */
  readonly isUtc: boolean;
}

interface Found {
  types: { asked: string; oid: string; base: string; constrained: boolean }[];
  casts: [string, string][];
  volatile: string[];
  builtIn: string[];
  isUtc: boolean;
}

/**
 * One round trip; none when there are neither types nor functions.
 * @param queries whose calls are asked for
 */
export async function readVocabulary(
  client: Client,
  trees: readonly Node[],
  oldTypes: readonly string[],
  queries: readonly Node[] = [],
): Promise<Vocabulary> {
  const names = typesIn(trees);
  const types = names.map(sqlOfType);
  const functions = functionsIn([...trees, ...queries]);
  if (types.length === 0 && functions.length === 0) return vocabularyOf(nothing);
  const { rows } = await client.query<{ found: Found }>(vocabularyQuery, [
    types,
    functions,
    oldTypes,
    names.map((type) => nameOfParts(type.names ?? []).schema),
  ]);
  return vocabularyOf(rows[0]?.found ?? nothing);
}

const nothing: Found = { types: [], casts: [], volatile: [], builtIn: [], isUtc: false };

function vocabularyOf({ types, casts, volatile, builtIn, isUtc }: Found): Vocabulary {
  const byName = new Map(types.map((type) => [type.asked, type]));
  const byOid = new Map(types.map((type) => [type.oid, type]));
  return {
    type: (name) => (name === undefined ? undefined : byName.get(sqlOfType(name))),
    base: (oid) => byOid.get(oid)?.base ?? oid,
    isBinaryCoercible: (from, to) => casts.some(([one, other]) => one === from && other === to),
    isVolatile: (expression) => functionsIn([expression]).some((name) => volatile.includes(name)),
    callsOwn: (tree) =>
      callsIn([tree]).some((parts) => {
        const { schema = "pg_catalog", name } = nameOfParts(parts);
        return schema !== "pg_catalog" || !builtIn.includes(name);
      }),
    isUtc,
  };
}

function typesIn(trees: readonly Node[]): TypeName[] {
  return nodesIn(trees, (node): node is TypeName => "names" in node && "typemod" in node);
}

function functionsIn(trees: readonly Node[]): string[] {
  return [...new Set(callsIn(trees).map((parts) => textsOf(parts).at(-1) ?? ""))];
}

function callsIn(trees: readonly Node[]): Node[][] {
  return nodesIn(trees, (node): node is { funcname: Node[] } => "funcname" in node).map(
    ({ funcname }) => funcname,
  );
}

const vocabularyQuery = `
  WITH RECURSIVE asked AS (
    SELECT name, CASE WHEN ${mayLookInto("schema")} THEN to_regtype(name)::oid END AS oid
      FROM unnest($1::text[], $4::text[]) AS a (name, schema)
    UNION SELECT oid, oid::oid FROM unnest($3::text[]) AS o (oid)),
  bases AS (
    SELECT name, asked.oid, asked.oid AS base, false AS constrained FROM asked
     WHERE asked.oid IS NOT NULL
    UNION SELECT b.name, b.oid, t.typbasetype, t.typnotnull OR EXISTS (
            SELECT FROM pg_constraint WHERE contypid = t.oid)
      FROM bases b JOIN pg_type t ON t.oid = b.base WHERE t.typtype = 'd')
  SELECT json_build_object(
    'types', (SELECT coalesce(json_agg(json_build_object('asked', name, 'oid', oid::text,
                       'base', base::text, 'constrained', constrained)), '[]')
                FROM (SELECT name, bases.oid, bool_or(constrained) AS constrained,
                             (array_agg(base ORDER BY t.typtype = 'd'))[1] AS base
                        FROM bases JOIN pg_type t ON t.oid = bases.base GROUP BY name, bases.oid) x),
    'casts', (SELECT coalesce(json_agg(json_build_array(castsource::text, casttarget::text)), '[]')
                FROM pg_cast WHERE castmethod = 'b'),
    'volatile', (SELECT coalesce(json_agg(DISTINCT proname), '[]') FROM pg_proc
                  WHERE proname = ANY ($2) AND provolatile = 'v'),
    'builtIn', (SELECT coalesce(json_agg(DISTINCT proname), '[]') FROM pg_proc
                 WHERE proname = ANY ($2) AND pronamespace = 'pg_catalog'::regnamespace
                   AND proname !~ '^(pg_sleep|generate_series|pg_advisory|dblink)'),
    'isUtc', current_setting('TimeZone') ~ '^(Etc/)?(UTC|UCT|GMT|Universal|Zulu|Greenwich)$') AS found`;
