import type { Client } from "pg";
import { DatabaseError } from "pg";
import { sqlState } from "../session/databaseErrors";
import { printable } from "../sql/sourceText";
import { findJournal } from "./journal";
import { readRepeatableRows } from "./repeatables";

/** An object that PostgreSQL will not do without, and the repeatable file that makes it. */
export interface BlamedObject {
  /** `view public.stock_list` */
  readonly object: string;
  readonly path: string;
}

/** The objects of repeatable files, by what people call them: `view public.stock_list`. */
export async function objectsOfRepeatables(client: Client): Promise<ReadonlyMap<string, string>> {
  const rows = await readRepeatableRows(client, await findJournal(client));
  return new Map(
    [...rows.values()].flatMap(({ path, objects }) =>
      objects.map(({ object }) => [object, path] as const),
    ),
  );
}

/**
 * Which objects of repeatable files a text of PostgreSQL names as those that depend on something.
 * @param client outside of any transaction that has failed
 */
export async function blamedIn(client: Client, text: string): Promise<BlamedObject[]> {
  const blamed: BlamedObject[] = [];
  for (const [object, path] of await objectsOfRepeatables(client)) {
    // PostgreSQL leaves the schema out where search_path has it, and knows no arguments' names.
    const [, kind = "", bare = ""] = /^(\w+) (?:[^( ]*?\.)?([^.( ]+)/.exec(object) ?? [];
    const pattern = `\\b${kind} (\\S+\\.)?${bare.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}(\\W|$)`;
    if (new RegExp(pattern).test(text)) blamed.push({ object: printable(object), path });
  }
  return blamed;
}

const aboutDependents = new Set<string>([sqlState.dependentObjects, sqlState.notSupported]);

export function isAboutDependents(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && aboutDependents.has(error.code ?? "");
}

/** What a person needs to know of a migration's statement that views and functions stand against. */
export async function whatStandsAgainst(client: Client, error: unknown): Promise<string[]> {
  return (await dependentsIn(client, error)).map(
    (one) =>
      `${one.object} is made by ${one.path}: apply that file without it first, or write ${dropOf(one)} before this statement, and the same run makes it again.`,
  );
}

/** The objects that an error names as those that depend on something. */
export async function dependentsIn(client: Client, error: unknown): Promise<BlamedObject[]> {
  if (!isAboutDependents(error)) return [];
  return blamedIn(client, `${error.message}\n${error.detail ?? ""}`);
}

/** For people: `DROP VIEW public.stock_list`. */
export function dropOf({ object }: BlamedObject): string {
  return `DROP ${object.replace(/^\w+/, (kind) => kind.toUpperCase())}`;
}
