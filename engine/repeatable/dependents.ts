import type { Client } from "pg";
import type { OrderedRepeatable } from "../files/repeatableOrder";
import { addressesOf, nameOfDefinition, type ObjectAddress } from "../schema/objectAddresses";
import { printable } from "../sql/sourceText";

/** What has to go, and come back, so that objects can be made anew. */
export interface Doomed {
  /** What depends on something comes before it. */
  readonly objects: readonly ObjectAddress[];
  /** Paths of the files that make them again. */
  readonly paths: ReadonlySet<string>;
  /** What depends on one of them and no repeatable file makes, for people. */
  readonly foreign: readonly string[];
}

interface Dependent extends ObjectAddress {
  /** As PostgreSQL names it: `materialized view public.totals`. */
  readonly shown: string;
}

/** Some objects and everything that depends on them, directly or not. */
export async function doomedWith(
  client: Client,
  roots: readonly ObjectAddress[],
  ordered: readonly OrderedRepeatable[],
): Promise<Doomed> {
  const makers = await makersOf(client, ordered);
  const objects: ObjectAddress[] = [];
  const paths = new Set<string>();
  const foreign = new Set<string>();
  const seen = new Set<string>();
  const visit = async (object: ObjectAddress): Promise<void> => {
    seen.add(keyOf(object));
    for (const dependent of await dependentsOf(client, object)) {
      if (seen.has(keyOf(dependent))) continue;
      if (makers.has(keyOf(dependent))) await visit(dependent);
      else foreign.add(`${dependent.shown} depends on it`);
    }
    objects.push(object);
    const path = makers.get(keyOf(object));
    if (path !== undefined) paths.add(path);
  };
  for (const root of roots) if (!seen.has(keyOf(root))) await visit(root);
  return { objects, paths, foreign: [...foreign].map(printable).sort() };
}

/** Which file makes an object that is there. */
async function makersOf(
  client: Client,
  ordered: readonly OrderedRepeatable[],
): Promise<ReadonlyMap<string, string>> {
  const made = ordered.flatMap(({ file, definitions }) =>
    [...definitions.values()].map((definition) => ({ path: file.path, definition })),
  );
  const names = made.map(({ definition }) => nameOfDefinition(definition));
  const found = await addressesOf(client, names);
  return new Map(found.map((one) => [keyOf(one), made[one.index]?.path ?? ""]));
}

export function keyOf({ catalog, oid }: ObjectAddress): string {
  return `${catalog} ${oid}`;
}

/** A view's rule stands for the view, its row type and that one's array type belong to it. */
async function dependentsOf(client: Client, { catalog, oid }: ObjectAddress): Promise<Dependent[]> {
  const { rows } = await client.query<Dependent>(
    `WITH parts AS (
       SELECT $1::text::regclass::oid AS classid, $2::oid AS objid
       UNION ALL
       SELECT 'pg_type'::regclass, unnest(ARRAY[t.oid, t.typarray]) FROM pg_type t
        WHERE $1::text = 'pg_class' AND t.typrelid = $2::oid),
     found AS (
       SELECT CASE WHEN w.rulename = '_RETURN' THEN 'pg_class'::regclass::oid ELSE d.classid END AS classid,
              CASE WHEN w.rulename = '_RETURN' THEN w.ev_class ELSE d.objid END AS objid,
              CASE WHEN w.rulename = '_RETURN' THEN 0 ELSE d.objsubid END AS objsubid
         FROM pg_depend d JOIN parts p ON d.refclassid = p.classid AND d.refobjid = p.objid
         LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
        WHERE d.deptype IN ('n', 'a'))
     SELECT DISTINCT classid::regclass::text AS catalog, objid::text AS oid,
            pg_describe_object(classid, objid, objsubid) AS shown
       FROM found WHERE (classid, objid) NOT IN (SELECT * FROM parts)
      ORDER BY shown`,
    [catalog, oid],
  );
  return rows;
}
