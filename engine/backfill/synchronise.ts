import type { Client } from "pg";
import { UserError } from "../../userError";
import { audit, type Finding } from "./audit";
import { backfill } from "./backfill";
import { dropCursors } from "./backfillCursor";
import { verify } from "../steps/checks";
import type { MigrationRun } from "../journal/fileContext";
import type { MigrationState } from "../journal/journal";
import { advance, recordFiles, withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import { planSync, trySync } from "../preparing/planSync";
import { listRejects } from "./rejects";
import { resetSession } from "../session/session";
import { together } from "../session/together";
import { mend, whoTakesBack } from "./mend";
import { explainSyncError } from "../sync/syncError";
import { buildIndexes } from "../sync/syncIndexes";
import { RowsTouched, whenFilling } from "./untouched";
import { addConstraint, inShortLocks, validateConstraint } from "../sync/syncDdl";

/**
 * Takes a migration with sync.yaml from expanded to verified: triggers, backfill, audit, checks.
 * From blocked it goes through all of it again; rows that agree are not written again.
 */
export async function synchronise(work: MigrationRun, state: MigrationState): Promise<void> {
  const { run, migration } = work;
  const { client } = run.session;
  await resetSession(run.session);
  const live = await planSync(client, migration);
  if (live === undefined) return;
  if (state === "expanded" || state === "blocked") await install(work, live, state);
  if (state !== "backfilled") {
    await backfill(work, live).catch((error: unknown) => blockTouched(work, error));
    await withJournalTransaction(run, () =>
      advance(run, migration.id, "backfilling", "backfilled"),
    );
  }
  const { finding, helpless } = await settle(work, live);
  // Where they are not allowed, an audit that finds nothing has found none of them either.
  await listRejects(work, live, live.rejects === "allow-null" || finding !== undefined);
  if (finding !== undefined) throw await block(work, finding, live, helpless);
  await verify(run, migration, "backfilled");
}

/** expanded or blocked -> backfilling: from here on no write of either release is missed. */
async function install(
  work: MigrationRun,
  live: LiveSync,
  from: "expanded" | "blocked",
): Promise<void> {
  const { run, migration, onProgress } = work;
  await trySync(run.session.client, migration, live).catch((error: unknown) => {
    throw explainSyncError(error, work, "trying the expressions of sync.yaml");
  });
  await buildIndexes(work, live.indexes);
  onProgress({
    event: "statement",
    migration: migration.id,
    message: `keeping ${live.summary} in step`,
  });
  const tables = live.locked.map(({ sql }) => sql).join(", ");
  const files = migration.files.filter(({ phase }) => phase === "sync");
  await inShortLocks(
    work,
    "adding the triggers",
    [`LOCK TABLE ${tables} IN SHARE ROW EXCLUSIVE MODE`, ...live.uninstall, ...live.install],
    () =>
      together(
        run.session.client,
        () => ensureCallable(run.session.client, work, live),
        () => recordFiles(run, migration.id, files),
        () => dropCursors(run, migration.id),
        () => advance(run, migration.id, from, "backfilling"),
      ),
  );
}

/** Every writer evaluates the forward expressions with its own rights. */
async function ensureCallable(client: Client, { migration }: MigrationRun, live: LiveSync) {
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT p.oid::regprocedure::text AS name
       FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid
      WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_proc'::regclass
        AND d.objid = ANY ($1::text[]::regproc[]) AND NOT has_function_privilege('public', p.oid, 'EXECUTE')`,
    [live.calledByWriters],
  );
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => name);
  throw new UserError(
    `Migration ${migration.id} calls a function that not everybody may execute: ${names.join(", ")}.`,
    ["The triggers of a sync call it for every writer."],
    `GRANT EXECUTE ON FUNCTION ${names.join(", ")} TO PUBLIC, then run the same command again`,
  );
}

interface Settled {
  /** What is wrong still; the first of it. */
  readonly finding?: Finding;
  /** Rows that no writing sets right. */
  readonly helpless: number;
}

/**
 * What needs the rows to be filled, or is cheaper then: indexes, and the foreign key, under which the
 * rows that were left or passed by are mended. Then the audit.
 */
async function settle(work: MigrationRun, live: LiveSync): Promise<Settled> {
  const { session } = work.run;
  await buildIndexes(work, live.laterIndexes);
  await resetSession(session);
  if (live.constraints.length === 0) {
    // Mostly there is nothing to mend, as one look at the table tells.
    const findings = await audit(session.client, live);
    if (findings.length === 0) return { helpless: 0 };
  }
  const helpless = await settleRows(work, live);
  const [finding] = await audit(session.client, live);
  return { ...(finding && { finding }), helpless };
}

async function settleRows(work: MigrationRun, live: LiveSync): Promise<number> {
  const { session } = work.run;
  for (const constraint of live.constraints) await addConstraint(work, live, constraint);
  await resetSession(session);
  const { rows, helpless } = await mend(work, live);
  for (const constraint of live.constraints) await validateConstraint(work, constraint);
  await resetSession(session);
  if (rows > 0) {
    const message = `rows that others had held or passed by, now filled: ${rows}`;
    work.onProgress({ event: "backfill", migration: work.migration.id, message });
  }
  return helpless;
}

/** So that sync.yaml may be edited. */
async function blockTouched({ run, migration }: MigrationRun, error: unknown): Promise<never> {
  if (error instanceof RowsTouched) {
    await withJournalTransaction(run, () =>
      advance(run, migration.id, "backfilling", "blocked", error.problem),
    );
  }
  throw error;
}

async function block(
  { run, migration }: MigrationRun,
  { problem, rows }: Finding,
  live: LiveSync,
  helpless: number,
): Promise<UserError> {
  await withJournalTransaction(run, () =>
    advance(run, migration.id, "backfilled", "blocked", problem),
  );
  const takenBack = whoTakesBack(live, helpless);
  const remedy =
    takenBack.length === 0
      ? remedyOf(live)
      : `let the trigger do nothing WHEN (${whenFilling}), or ${remedyOf(live)}`;
  return new UserError(
    `Migration ${migration.id} is blocked: ${problem}.`,
    [...rows, ...takenBack],
    `${remedy}; then run the same command again`,
  );
}

function remedyOf({ rejects, table, filled }: LiveSync): string {
  switch (rejects) {
    case "block":
      return "correct these rows, or allow NULL with rejects: allow-null in sync.yaml";
    case "allow-null":
      return "see who writes past the triggers";
    case undefined:
      return `give these rows a value, or ${filled.join(", ")} of ${table.shown} a default that is never NULL`;
  }
}
