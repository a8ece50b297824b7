import { UserError } from "../../userError";
import { find, patch } from "../objects";
import { deadlineIn } from "../waiting";
import { annotations, identityOf, importNameOf, partsOf, type CloneRequest } from "./names";
import { isInUse, removeImported } from "./imported";
import { takeOver } from "./quarantine";
import { newRun, withHeartbeat } from "./liveness";
import { discardContent, handleOf } from "./snapshots";
import { cloneSteps, undoClone, type CloneRun, type CloneStep } from "./steps";
import { sweep } from "./sweep";

/** A finished clone: a snapshot that waits for its import, or has it. */
export interface FinishedClone {
  /** The storage's name of it. */
  readonly snapshotHandle: string;
  readonly driver: string;
  /** Bytes that a claim of it must ask for at least. */
  readonly restoreSize: number;
  /** Name of the VolumeSnapshotContent that owns it. */
  readonly content: string;
  /** Name of the VolumeSnapshot it can be imported as, in the target's namespace alone. */
  readonly snapshot: string;
  /** How long raw data lay outside production. */
  readonly rawLifetimeSeconds: number;
}

export interface MadeClone extends FinishedClone {
  /** What took how long in this run, in its order; empty for a clone that was there already. */
  readonly millisecondsByStep: Readonly<Record<string, number>>;
  /** From the beginning of the source snapshot until its volume was mounted, and its server open. */
  readonly mountedMilliseconds?: number;
  readonly openMilliseconds?: number;
}

/** A finished clone that another namespace has not imported for this long is forgotten. */
const patienceSeconds = 24 * 3600;

/** Before the clone's own steps: what dead runs of this clone and of others have left. */
const leftovers: CloneStep = {
  name: "leftovers",
  async run({ request, run, report }, deadline) {
    const clone = identityOf(request);
    if (await takeOver(clone, run, report, deadline)) await undoClone(clone, deadline);
    const found = await sweep({
      context: clone.context,
      graceSeconds: patienceSeconds,
      supersededIn: request.target.namespace,
      report,
    });
    for (const left of found) {
      report(`still there: ${left}`);
    }
  },
};

/** At least this long for clearing away, however short a step's deadline is. */
const leastUndoSeconds = 60;

/**
 * Makes a clone, or finds it made. Whatever happens, nothing raw is left when this returns or
 * throws; what a killed run has left is removed by the next one.
 * @throws UserError naming the step, its cause, and what could not be removed
 */
export async function makeClone(
  request: CloneRequest,
  report: (line: string) => void,
): Promise<MadeClone> {
  const clone: CloneRun = { request, run: newRun(), facts: {}, report };
  const millisecondsByStep: Record<string, number> = {};
  let current = "";
  const timed = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    current = name;
    await work();
    millisecondsByStep[name] = Math.round(performance.now() - started);
    report(`${name}: ${millisecondsByStep[name]} ms`);
  };
  return withHeartbeat(identityOf(request), clone.run, async () => {
    if ((await findClone(request)) === undefined) {
      try {
        for (const step of [leftovers, ...cloneSteps]) {
          const deadline = deadlineIn(request.deadlineSeconds);
          await timed(step.name, () => step.run(clone, deadline));
        }
      } catch (error) {
        throw await undone(clone, current, error);
      }
    }
    await clearAway(clone, timed);
    const finished = await findClone(request);
    if (finished === undefined) throw new Error("the clone vanished while it was finished");
    return { ...finished, millisecondsByStep, ...servedAfter(clone, millisecondsByStep) };
  });
}

/** The clone as it is; undefined while there is none or it is not finished. */
export async function findClone(request: CloneRequest): Promise<FinishedClone | undefined> {
  const { maskedContent } = partsOf(identityOf(request));
  const content = await find(request.context, maskedContent);
  const about = content?.metadata?.annotations ?? {};
  if (content === undefined || about[annotations.finished] === undefined) return undefined;
  if (content.metadata?.deletionTimestamp !== undefined) return undefined;
  const since = Date.parse(about[annotations.rawSince] ?? "");
  const until = Date.parse(about[annotations.rawUntil] ?? new Date().toISOString());
  return {
    snapshotHandle: handleOf(content) ?? "",
    driver: content.spec.driver,
    restoreSize: content.status?.restoreSize ?? 0,
    content: maskedContent.name,
    snapshot: importNameOf(request.cloneId),
    rawLifetimeSeconds: Math.round((until - since) / 100) / 10,
  };
}

/**
 * Removes a clone with its snapshot, what was made of that, and whatever raw is left of it; nothing when
 * there is nothing. Pulumi has removed by then what it knows of: dependants first. A server that runs on
 * it all the same was declared anew by somebody who went back to this clone, and keeps it.
 */
export async function removeClone(request: CloneRequest): Promise<void> {
  const { context, cloneId, target } = request;
  const deadline = undoDeadline(request);
  await undoClone(identityOf(request), deadline);
  const imported = { context, cloneId, namespace: target.namespace };
  if (await isInUse(imported)) return;
  await removeImported(imported, deadline);
  await discardContent(context, partsOf(identityOf(request)).maskedContent, deadline);
}

async function clearAway(
  { request, run, report }: CloneRun,
  timed: (name: string, work: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const clone = identityOf(request);
  await timed("teardown", async () => {
    const deadline = undoDeadline(request);
    await takeOver(clone, run, report, deadline);
    await undoClone(clone, deadline, "asked for");
  });
  const content = partsOf(clone).maskedContent;
  const found = await find(request.context, content);
  if (found?.metadata?.annotations?.[annotations.rawUntil] !== undefined) return;
  const rawUntil = { [annotations.rawUntil]: new Date().toISOString() };
  await patch(request.context, content, { metadata: { annotations: rawUntil } });
}

/** Clears away what a failed run has made, and says in one error what happened and what is left. */
async function undone({ request, run, report }: CloneRun, step: string, error: unknown) {
  const cause = error instanceof UserError ? error : undefined;
  const { namespace, claim } = request.source;
  const problem = `Cannot clone ${namespace}/${claim}: ${step}: ${cause?.problem ?? String(error)}`;
  const clone = identityOf(request);
  try {
    const found = await find(request.context, partsOf(clone).quarantine);
    const isOurs = found?.metadata?.annotations?.[annotations.run] === run;
    if (isOurs) {
      report(`${step} failed, clearing away`);
      await undoClone(clone, undoDeadline(request));
    }
    const rest = isOurs ? "Nothing is left of it." : "Nothing was made.";
    return new UserError(problem, [...(cause?.details ?? []), rest], cause?.next);
  } catch (second) {
    const left = second instanceof Error ? second.message.split("\n") : [String(second)];
    return new UserError(
      problem,
      [...(cause?.details ?? []), "Raw data may be left:", ...left],
      `npm run sweep -- --context ${request.context}`,
    );
  }
}

function servedAfter({ facts: { opening } }: CloneRun, took: Readonly<Record<string, number>>) {
  if (opening === undefined) return {};
  const names = ["source snapshot", "alias", "raw claim", "open"];
  const stopped = names.reduce((sum, name) => sum + (took[name] ?? 0), 0);
  const openMilliseconds = stopped - opening.openToStopped;
  return { openMilliseconds, mountedMilliseconds: openMilliseconds - opening.mountedToOpen };
}

function undoDeadline({ deadlineSeconds }: CloneRequest) {
  return deadlineIn(Math.max(deadlineSeconds, leastUndoSeconds));
}
