import type { Client } from "pg";
import { catalogueListing } from "./catalogueListing";
import { digestOf, type Digest } from "../files/digest";
import { printable } from "../sql/sourceText";
import { withReadOnlyTransaction } from "../session/transaction";

/** One fact of a schema: an object, a part of it ("" for the object itself), what it is. */
export type SchemaFact = readonly [object: string, part: string, definition: string];

/** The schema fingerprint and the listing that it is the digest of. */
export interface SchemaFingerprint {
  readonly digest: Digest;
  /** Sorted. */
  readonly facts: readonly SchemaFact[];
}

/**
 * The schema fingerprint: a digest of what a schema is, equal for a database, its clone and its
 * restored dump; what contract has archived is no part of it. `facts` lets a difference be shown, see diffSchemas.
 * @param client a connected session outside of any transaction
 */
export function schemaFingerprint(client: Client): Promise<SchemaFingerprint> {
  return withReadOnlyTransaction(client, () => readFingerprint(client));
}

/** The same within a transaction of the caller. */
export async function readFingerprint(client: Client): Promise<SchemaFingerprint> {
  const before = await client.query<{ path: string; hasArchives: boolean }>(
    `SELECT current_setting('search_path') AS path, set_config('search_path', 'pg_catalog', true),
            EXISTS (SELECT FROM pg_catalog.pg_tables
                     WHERE schemaname = 'stateful_cd' AND tablename = 'archives') AS "hasArchives"`,
  );
  const [{ path, hasArchives } = { path: "", hasArchives: false }] = before.rows;
  const { rows } = await client.query<{ object: string; part: string; definition: string }>(
    catalogueListing(hasArchives),
  );
  await client.query("SELECT set_config('search_path', $1, true)", [path]);
  // As JSON a fact cannot pass for two, whatever an identifier contains.
  const lines = rows.map(({ object, part, definition }) =>
    JSON.stringify([object, part, definition]),
  );
  lines.sort((a, b) => (a < b ? -1 : 1));
  return {
    digest: digestOf(lines.join("\n")),
    facts: lines.map((line) => JSON.parse(line) as SchemaFact),
  };
}

/**
 * The difference of two schemas, a line a change: `table public.menu: column price added`. An
 * object that came or went is one line.
 */
export function diffSchemas(before: readonly SchemaFact[], now: readonly SchemaFact[]): string[] {
  const old = byKey(before);
  const new_ = byKey(now);
  const lines: string[] = [];
  for (const key of [...new Set([...old.keys(), ...new_.keys()])].sort()) {
    const was = old.get(key);
    const is = new_.get(key);
    const [object, part] = was ?? is ?? ["", ""];
    if (part === "") {
      if (was === undefined) lines.push(`${object} added`);
      else if (is === undefined) lines.push(`${object} removed`);
      else if (was[2] !== is[2]) lines.push(`${object}: ${change(was[2], is[2])}`);
    } else if (hasObject(old, object) && hasObject(new_, object)) {
      if (was === undefined) lines.push(`${object}: ${part} added`);
      else if (is === undefined) lines.push(`${object}: ${part} removed`);
      else if (was[2] !== is[2]) lines.push(`${object}: ${part} ${change(was[2], is[2])}`);
    }
  }
  return lines.map(printable);
}

const longestShown = 80;

function change(was: string, is: string): string {
  const isShort = was.length <= longestShown && is.length <= longestShown;
  if (!isShort || `${was}${is}`.includes("\n")) return "changed its definition";
  return `changed from ${was || "nothing"} to ${is || "nothing"}`;
}

function byKey(facts: readonly SchemaFact[]): Map<string, SchemaFact> {
  return new Map(facts.map((fact) => [JSON.stringify([fact[0], fact[1]]), fact]));
}

/** Default privileges and the like have parts only; they count as there. */
function hasObject(facts: ReadonlyMap<string, SchemaFact>, object: string): boolean {
  return object.startsWith("default privileges") || facts.has(JSON.stringify([object, ""]));
}
