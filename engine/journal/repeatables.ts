import type { Client } from "pg";
import { digestOf } from "../files/digest";
import type { Repeatable } from "../files/repeatable";
import type { ObjectName } from "../schema/objectAddresses";
import type { ObjectFacts } from "../schema/objectFacts";
import type { Journal } from "./journal";
import { keepsRepeatables } from "./journalSchema";
import { fencedWrite, type Run } from "./journalWriter";
import { withWholeJournal } from "./wholeJournal";

/** An object as a repeatable file has left it. */
export interface RecordedObject extends Pick<ObjectFacts, "kind" | "schema" | "name" | "table"> {
  readonly object: string;
  /** Digest of its definition, as PostgreSQL writes it down. */
  readonly definition: string;
  /** That the file itself gives, like the grants. */
  readonly comments: readonly string[];
  readonly grants: readonly string[];
}

/** The last application of a repeatable file. */
export interface AppliedRepeatable {
  readonly path: string;
  readonly digest: string;
  readonly objects: readonly RecordedObject[];
  /** What earlier versions of the file made and this one does not. */
  readonly leftOver: readonly RecordedObject[];
}

export function recordedObject(facts: ObjectFacts): RecordedObject {
  const { kind, schema, name, table, object, definition, comments, grants } = facts;
  return {
    ...{ kind, schema, name, table, object },
    definition: digestOf(definition),
    comments: comments.map(({ on, text }) => `${on}: ${text}`),
    grants: grants.map(({ to, privilege, mayGrant, column }) => {
      const grant = [privilege, column, "to", to].filter(Boolean).join(" ");
      return mayGrant ? withOption(grant) : grant;
    }),
  };
}

/** A recorded grant of the same right that may be handed on. */
export function withOption(grant: string): string {
  return `${grant} with grant option`;
}

/** How to look for it in the catalog; of a routine all that have its name. */
export function nameOfRecorded({ kind, schema, name, table }: RecordedObject): ObjectName {
  return { kind, schema, name, types: null, tableSchema: schema, table };
}

/** What has been applied, by path; nothing of files that are gone with all they had made. */
export async function readRepeatableRows(
  client: Client,
  journal: Pick<Journal, "version"> | undefined,
): Promise<ReadonlyMap<string, AppliedRepeatable>> {
  if (journal === undefined || !keepsRepeatables(journal.version)) return new Map();
  const { rows } = await withWholeJournal(() =>
    client.query<AppliedRepeatable>(
      `SELECT path, digest, objects, left_over AS "leftOver"
         FROM (SELECT DISTINCT ON (path) * FROM stateful_cd.repeatables ORDER BY path, id DESC) last
        WHERE digest IS NOT NULL`,
    ),
  );
  return new Map(rows.map((row) => [row.path, row]));
}

/** In the transaction that has run the file. */
export function recordRepeatable(
  run: Run,
  { path, digest, text }: Repeatable,
  objects: readonly RecordedObject[],
  leftOver: readonly RecordedObject[],
): Promise<void> {
  return fencedWrite(
    run,
    `INSERT INTO stateful_cd.repeatables (path, digest, content, objects, left_over, epoch)
       SELECT $2, $3, $4, $5, $6, $1 FROM fence`,
    [path, digest, text, JSON.stringify(objects), JSON.stringify(leftOver)],
  );
}

/** Of a file that is gone, and of which nothing is left in the database. */
export function forgetRepeatable(run: Run, path: string): Promise<void> {
  return fencedWrite(
    run,
    "INSERT INTO stateful_cd.repeatables (path, epoch) SELECT $2, $1 FROM fence",
    [path],
  );
}
