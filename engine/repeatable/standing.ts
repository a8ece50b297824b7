import type { Client } from "pg";
import type { Repeatable } from "../files/repeatable";
import { definitionsOf } from "../files/repeatableOrder";
import type { Journal } from "../journal/journal";
import {
  type AppliedRepeatable,
  nameOfRecorded,
  readRepeatableRows,
  type RecordedObject,
  recordedObject,
  withOption,
} from "../journal/repeatables";
import { addressesOf, nameOfDefinition } from "../schema/objectAddresses";
import { type ObjectFacts, readObjects } from "../schema/objectFacts";
import { withReadOnlyTransaction } from "../session/transaction";
import { printable } from "../sql/sourceText";

/**
 * How a repeatable file stands to the database:
 * - pending: it was never applied
 * - changed: its text is another one
 * - drifted: what it had made is not what it was
 */
export type RepeatableState = "applied" | "pending" | "changed" | "drifted";

export interface RepeatableStanding {
  readonly file: Repeatable;
  readonly state: RepeatableState;
  /** What somebody has changed in the database, a line each. */
  readonly drift: readonly string[];
}

/** An object that no file makes any more, and that is still there. */
export interface LeftOver {
  /** `view public.stock_list` */
  readonly object: string;
  /** The file that made it, `repeatable/stock-list.sql`. */
  readonly path: string;
  /** What removes it, for a migration. */
  readonly drop: string;
}

export interface Standings {
  /** In the order of their names. */
  readonly files: readonly RepeatableStanding[];
  readonly leftOver: readonly LeftOver[];
  /** What the journal has of each path. */
  readonly applied: ReadonlyMap<string, AppliedRepeatable>;
  /** Files of the journal that are gone, with all that they had made. */
  readonly gone: readonly string[];
}

/** Compares the files, the journal and the database. Within a transaction; writes and locks nothing. */
export async function standingsOf(
  client: Client,
  files: readonly Repeatable[],
  journal: Pick<Journal, "version"> | undefined,
): Promise<Standings> {
  const applied = await readRepeatableRows(client, journal);
  const live = await liveObjects(client, [...applied.values()]);
  const present = new Set(files.map(({ path }) => path));
  const deleted = [...applied.values()].filter(({ path }) => !present.has(path));
  const candidates = [...applied.values()].flatMap(({ path, objects, leftOver }) =>
    [...leftOver, ...(present.has(path) ? [] : objects)].flatMap(({ object }) => {
      const found = live.get(object);
      return found === undefined ? [] : [{ path, found }];
    }),
  );
  return {
    files: files.map((file) => standingOf(file, applied.get(file.path), live)),
    leftOver: await withoutMade(client, files, candidates),
    applied,
    gone: deleted
      .filter(
        ({ objects, leftOver }) => ![...objects, ...leftOver].some((one) => live.has(one.object)),
      )
      .map(({ path }) => path),
  };
}

/**
 * Whether any file is to be applied. Without files nothing is asked.
 * @param client a connected session outside of any transaction
 */
export async function isAnyDue(
  client: Client,
  files: readonly Repeatable[],
  journal: Pick<Journal, "version"> | undefined,
): Promise<boolean> {
  if (files.length === 0) return false;
  const standings = await withReadOnlyTransaction(client, () =>
    standingsOf(client, files, journal),
  );
  return standings.files.some(({ state }) => state !== "applied");
}

async function liveObjects(
  client: Client,
  applied: readonly AppliedRepeatable[],
): Promise<ReadonlyMap<string, ObjectFacts>> {
  const recorded = applied.flatMap(({ objects, leftOver }) => [...objects, ...leftOver]);
  const addresses = await addressesOf(client, recorded.map(nameOfRecorded));
  const facts = await readObjects(client, addresses);
  return new Map(facts.map((one) => [one.object, one]));
}

function standingOf(
  file: Repeatable,
  applied: AppliedRepeatable | undefined,
  live: ReadonlyMap<string, ObjectFacts>,
): RepeatableStanding {
  if (applied === undefined) return { file, state: "pending", drift: [] };
  const drift = applied.objects.flatMap((recorded) => driftOf(recorded, live.get(recorded.object)));
  if (applied.digest !== file.digest) return { file, state: "changed", drift };
  return { file, state: drift.length === 0 ? "applied" : "drifted", drift };
}

/**
 * What running the file again puts right: a definition, and those rights and comments of its own that
 * are lost. What others have added beside it is their affair; the schema's drift shows it.
 */
function driftOf(recorded: RecordedObject, live: ObjectFacts | undefined): string[] {
  const { object } = recorded;
  if (live === undefined) return [printable(`${object} is gone`)];
  const now = recordedObject(live);
  const lost = [
    ...recorded.grants
      .filter((grant) => !now.grants.some((one) => one === grant || one === withOption(grant)))
      .map((grant) => `grant of ${grant}`),
    ...recorded.comments
      .filter((comment) => !now.comments.includes(comment))
      .map((comment) => `comment on ${comment}`),
  ];
  return [
    ...(now.definition === recorded.definition ? [] : [`${object}: its definition was changed`]),
    ...lost.map((what) => `${object}: the ${what} was changed or removed`),
  ].map(printable);
}

interface Candidate {
  readonly path: string;
  readonly found: ObjectFacts;
}

/** Without what another file has taken over; the parser is asked only where it matters. */
async function withoutMade(
  client: Client,
  files: readonly Repeatable[],
  candidates: readonly Candidate[],
): Promise<LeftOver[]> {
  if (candidates.length === 0) return [];
  const definitions = await Promise.all(files.map(definitionsOf));
  const names = definitions.flatMap((some) => [...some.values()]);
  const made = await addressesOf(client, names.map(nameOfDefinition));
  const seen = new Set(made.map(({ catalog, oid }) => `${catalog} ${oid}`));
  const left = new Map<string, LeftOver>();
  for (const { path, found } of candidates) {
    const key = `${found.catalog} ${found.oid}`;
    if (seen.has(key)) continue;
    seen.add(key);
    left.set(key, { object: printable(found.object), path, drop: printable(`DROP ${found.ddl}`) });
  }
  return [...left.values()];
}
