import type { MigrationRun } from "../journal/fileContext";
import { resetSession } from "../session/session";
import type { LiveSync } from "../sync/liveSync";
import { addConstraint, inShortLocks, validateConstraint } from "../sync/syncDdl";
import { constraintChecks, triggerChecks } from "./audit";
import { mend, whoTakesBack } from "./mend";

/**
 * Puts back what somebody has dropped or disabled of a sync, and sets right what was written without
 * it; the old side decides. What is in place is left alone.
 * @returns how many rows were set right
 */
export async function repair(work: MigrationRun, live: LiveSync): Promise<number> {
  const { run, migration, onProgress } = work;
  const { client } = run.session;
  if ((await triggerChecks(client, live)).some(isWrong)) {
    onProgress({
      event: "statement",
      migration: migration.id,
      message: `keeping ${live.summary} in step again`,
    });
    await inShortLocks(work, "adding the triggers again", [
      `LOCK TABLE ${live.locked.map(({ sql }) => sql).join(", ")} IN ACCESS EXCLUSIVE MODE`,
      ...live.uninstall,
      ...live.install,
    ]);
  }
  const lacksConstraint = (await constraintChecks(client, live)).some(isWrong);
  if (lacksConstraint) {
    for (const constraint of live.constraints) await addConstraint(work, live, constraint);
  }
  await resetSession(run.session);
  const { rows, helpless } = await mend(work, live);
  for (const message of whoTakesBack(live, helpless)) {
    onProgress({ event: "backfill", migration: migration.id, message });
  }
  if (lacksConstraint) {
    for (const constraint of live.constraints) await validateConstraint(work, constraint);
  }
  return rows;
}

function isWrong({ verdict }: { readonly verdict: string }): boolean {
  return verdict === "wrong";
}
