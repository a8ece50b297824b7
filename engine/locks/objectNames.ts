import type { Client } from "pg";

const longestName = 63;

/** What a name is made of. */
interface Naming {
  /** Empty: the one that names without a schema are made in. */
  readonly schema: string;
  readonly relation: string;
  readonly columns: readonly string[];
  /** `idx`, `key`, `fkey`. */
  readonly label: string;
}

/**
 * The name that PostgreSQL itself gives to an index or constraint without one: makeObjectName and
 * ChooseConstraintName in its sources, `orders_customer_id_fkey`.
 * @param alsoTaken names that are not in the catalog yet
 */
export async function chooseName(
  client: Client,
  { schema, relation, columns, label }: Naming,
  alsoTaken: ReadonlySet<string> = new Set(),
): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `WITH place AS (SELECT oid FROM pg_namespace WHERE nspname = coalesce(nullif($1, ''), current_schema()))
     SELECT relname::text AS name FROM pg_class JOIN place ON relnamespace = place.oid
     UNION SELECT conname::text FROM pg_constraint JOIN place ON connamespace = place.oid`,
    [schema],
  );
  const taken = new Set([...rows.map(({ name }) => name), ...alsoTaken]);
  for (let pass = 0; ; pass++) {
    const name = joinedName(relation, columns.join("_"), pass === 0 ? label : `${label}${pass}`);
    if (!taken.has(name)) return name;
  }
}

/** Cuts the longer of the two first parts until the name fits. */
export function joinedName(table: string, columns: string, label: string): string {
  const overhead = Buffer.byteLength(label) + 1 + (columns === "" ? 0 : 1);
  let first = Buffer.byteLength(table);
  let second = Buffer.byteLength(columns);
  while (first + second > longestName - overhead) {
    if (first > second) first--;
    else second--;
  }
  return [clipped(table, first), clipped(columns, second), label]
    .filter((part) => part !== "")
    .join("_");
}

/** The whole characters within so many bytes. */
function clipped(text: string, bytes: number): string {
  let kept = "";
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > bytes) break;
    kept += character;
  }
  return kept;
}
