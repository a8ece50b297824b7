import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { UserError } from "../../userError";
import { audit } from "../backfill/audit";
import { objectsOfRepeatables } from "../journal/blamedRepeatables";
import type { MigrationState } from "../journal/journal";
import type { Migration } from "../files/migration";
import type { LiveSync } from "../sync/liveSync";
import { planSync } from "../preparing/planSync";
import type { Session } from "../session/session";
import type { Progress } from "../progress";
import { printable } from "../sql/sourceText";
import { dependentsOf, oldColumns, type OldColumns, wordPattern } from "./dependents";
import { type OldRole, rolesBefore, sessionsOf } from "./oldRoles";
import { countOldWrites, type OldUse, type Quiet } from "./quiet";
import { syncOf } from "../files/syncFile";
import { statementUse, type Unseen } from "./statements";

/** What a contract asks before it begins. */
export interface Gate {
  readonly oldRoles: readonly OldRole[];
  /**
   * Why an old release may still be there, as seen from outside of the database: its processes, a
   * pooler's clients. A question that cannot be answered is a reason too.
   */
  readonly askOutside?: (oldRoles: readonly string[]) => Promise<string | undefined>;
  /** How long nobody may have been seen to use the old shape. */
  readonly soakSeconds: number;
  /** Whether it goes on where nothing tells which statements name the old columns. */
  readonly withoutStatements: boolean;
  readonly onProgress: (progress: Progress) => void;
}

/** What is over soon is waited for; anything longer is left to a later run. */
export const longestWaitSeconds = 10;

/**
 * Why an old release is still there, or may be; for people. Sessions that a pooler has kept of
 * clients that are gone, as far as can be seen from outside, end soon: they are waited for.
 */
export async function whyOldReleaseIsThere(
  client: Client,
  { oldRoles, askOutside, onProgress }: Gate,
  migration: Migration,
): Promise<string | undefined> {
  const roles = rolesBefore(oldRoles, migration);
  const deadline = Date.now() + longestWaitSeconds * 1000;
  let isTold = false;
  for (;;) {
    const outside = await askOutside?.(roles);
    if (outside !== undefined) return outside;
    const inside = await sessionsOf(client, roles);
    if (inside === undefined || askOutside === undefined || Date.now() > deadline) return inside;
    if (!isTold) {
      const message = `${inside}: nobody uses them any more, waiting for their end`;
      onProgress({ event: "waiting", migration: migration.id, message });
    }
    isTold = true;
    await sleep(500);
  }
}

export function whyStateWaits(state: MigrationState): string | undefined {
  const ready: MigrationState[] = ["verified", "rolled_out", "contracting"];
  return ready.includes(state) ? undefined : `is ${state}, and must be verified first`;
}

/** What a database tells of an old shape. */
export interface Look extends OldUse {
  /** undefined for a migration without sync.yaml, and where there is a `problem`. */
  readonly live: LiveSync | undefined;
  /** Why sync.yaml cannot be followed any more. */
  readonly problem: string | undefined;
  readonly old: OldColumns | undefined;
  /** Set where there are no `statements` though there are columns to look for. */
  readonly unseen?: Unseen;
}

/**
 * Counts what has used an old shape so far.
 * @param session outside of any transaction
 * @param reader a session that may read the statements of others
 */
export async function lookAt(
  session: Session,
  reader: Client,
  migration: Migration,
): Promise<Look> {
  const { client } = session;
  const found = await liveOf(client, migration);
  const problem = typeof found === "string" ? found : undefined;
  const live = typeof found === "string" ? undefined : found;
  const old = live && columnsIn(migration, live);
  return {
    live,
    problem,
    old,
    oldWrites: await countOldWrites(client, migration),
    ...(old && (await statementsIn(reader, session, old))),
  };
}

async function statementsIn(
  reader: Client,
  session: Session,
  old: OldColumns,
): Promise<Pick<Look, "statements" | "unseen">> {
  const found = await statementUse(reader, session, old);
  return "why" in found ? { unseen: found } : { statements: found };
}

/** Statements are what tells of readers: a login may be shared, and a read is counted by no trigger. */
export function whyNothingTells(
  { withoutStatements }: Gate,
  { unseen, old }: Look,
): string | undefined {
  // A fill has no old column that somebody could read.
  const columns = old?.columns.join(", ") ?? "";
  if (withoutStatements || unseen === undefined || columns === "") return undefined;
  return `${unseen.why}, so nothing tells who still reads ${columns}: ${unseen.way}, or npm run migrations -- contract --without-statements where it is known that nobody does`;
}

/** The sync as it is on this database; a text is why it cannot be followed any more. */
async function liveOf(
  client: Client,
  migration: Migration,
): Promise<LiveSync | string | undefined> {
  try {
    return await planSync(client, migration);
  } catch (error) {
    // What has become of the tables since is a reason to wait; a lost connection is not.
    if (!(error instanceof UserError)) throw error;
    return [error.problem, ...error.details].join(" ");
  }
}

function columnsIn(migration: Migration, { table }: LiveSync): OldColumns | undefined {
  const sync = syncOf(migration)?.sync;
  return sync && oldColumns(sync, table);
}

/**
 * Views and functions that name an old column. What contract.sql speaks of is its own affair: it may
 * drop or replace it.
 */
export async function whoNamesIt(
  client: Client,
  migration: Migration,
  { old, live }: Look,
): Promise<string | undefined> {
  if (old === undefined || live === undefined) return undefined;
  const ending = migration.files.find(({ phase }) => phase === "contract")?.text ?? "";
  const found = (await dependentsOf(client, old)).filter(
    ({ name }) => !new RegExp(`(^|\\W)${wordPattern(name)}(\\W|$)`).test(ending),
  );
  if (found.length === 0) return undefined;
  const makers = await objectsOfRepeatables(client);
  const files = new Set<string>();
  const shown = found.map((dependent) => {
    const path = [...makers].find(([object]) => isSameObject(object, dependent.shown))?.[1];
    if (path === undefined) return dependent.shown;
    files.add(path);
    return `${dependent.shown} of ${path}`;
  });
  const columns = old.columns.join(", ");
  const order = `; once no old release reads ${old.columns.length === 1 ? "it" : "them"} there, apply ${[...files].join(", ")} without ${columns}`;
  return `${columns} of ${live.table.shown} ${old.columns.length === 1 ? "is" : "are"} still named by ${shown.join(", ")}${files.size === 0 ? "" : order}`;
}

/** Types of arguments may be written in two ways. */
function isSameObject(one: string, other: string): boolean {
  return one.split("(")[0] === other.split("(")[0];
}

/** The invariant, everywhere. */
export async function whatAuditFinds(client: Client, { live }: Look): Promise<string | undefined> {
  if (live === undefined) return undefined;
  const [finding] = await audit(client, live);
  if (finding === undefined) return undefined;
  const [first] = finding.rows;
  const { problem, way } = finding;
  return `the audit found a mistake. ${problem}${first === undefined ? "" : `, the first is ${first}`}; ${way}`;
}

/** How much of the soak time is left, in seconds. */
export function soakLeft({ soakSeconds }: Gate, quiet: Quiet): number {
  return Math.max(0, soakSeconds - quiet.seconds);
}

export function whySoakWaits({ soakSeconds }: Gate, { since, seconds }: Quiet): string {
  return printable(
    `nothing old has been seen since ${since}, for ${Math.floor(seconds)} s of ${soakSeconds} s`,
  );
}
