import type { RelationFacts } from "./relationFacts";

/**
 * Whether PostgreSQL need not look at the rows to know that a column has no NULL: it is NOT NULL
 * already, or a valid CHECK says so, alone or joined to others by AND.
 */
export function provesNotNull(facts: RelationFacts | undefined, column: string): boolean {
  if (facts === undefined) return false;
  if (facts.columns.some(({ name, notNull }) => name === column && notNull)) return true;
  return facts.constraints.some(
    ({ type, validated, definition }) =>
      type === "c" && validated && saysNotNull(definition, column),
  );
}

const identifier = String.raw`(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")`;
const isNotNull = String.raw`\(${identifier} IS NOT NULL\)`;
const onlyNotNulls = new RegExp(
  String.raw`^CHECK \((?:${isNotNull}|\(${isNotNull}(?: AND ${isNotNull})+\))\)(?: NO INHERIT)?$`,
);

/**
 * `definition` is pg_get_constraintdef's: `CHECK (((a IS NOT NULL) AND (b IS NOT NULL)))`. Of other
 * conditions PostgreSQL can prove more than this does: then a proof is made that was not needed.
 */
function saysNotNull(definition: string, column: string): boolean {
  if (!onlyNotNulls.test(definition)) return false;
  const named = [column, `"${column.replaceAll('"', '""')}"`];
  return named.some((name) => definition.includes(`(${name} IS NOT NULL)`));
}
