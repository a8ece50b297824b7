import { createHash } from "node:crypto";
import { loadCluster } from "./client";
import { removeSnapshot, takeSnapshot } from "./clone/snapshots";
import type { Shapes } from "./objectKinds";
import { find, list } from "./objects";
import { inspectCluster } from "./preflight";
import { deadlineIn } from "./waiting";

/** Which volume is about to be changed, and to what. */
export interface RollbackRequest {
  /** kubeconfig context */
  readonly context: string;
  readonly namespace: string;
  readonly claim: string;
  /** What is about to change it, in a name that no other change has. */
  readonly change: string;
  readonly snapshotClass?: string | undefined;
  /** How many points of a claim are kept, this one included. */
  readonly keep: number;
  /** A point that was taken before this change counts for so long: what was written since is not in it. */
  readonly freshMinutes: number;
  readonly deadlineSeconds: number;
}

/** Label of every rollback point; its value is the claim's name. */
const claimLabel = "stateful-cd/rollback-of";
/** Label that says before which change it was taken. */
const changeLabel = "stateful-cd/rollback-before";
const ordinalLabel = "stateful-cd/rollback-ordinal";

/**
 * Takes a snapshot of the claim before a change, and waits until it can be used; a run that is
 * repeated soon finds the one it took. Going forward, back and forward again is a new change each
 * time, so a point counts as taken only while it is the newest. Then removes all but the newest.
 * @returns its name; empty while the claim is not bound, since there is no data to go back to
 * @throws UserError when the snapshot does not get ready in time
 */
export async function keepRollbackPoint(
  request: RollbackRequest,
  report: (line: string) => void,
): Promise<string> {
  const { context, namespace, claim: name, snapshotClass } = request;
  const claim = await find(context, { kind: "PersistentVolumeClaim", namespace, name });
  if (claim?.status?.phase !== "Bound") return "";
  const storageClass = claim.spec.storageClassName ?? "";
  const facts = await inspectCluster(loadCluster(context).kubeConfig, {
    namespace,
    permissions: false,
    ...(storageClass === "" ? {} : { storageClass }),
    ...(snapshotClass === undefined ? {} : { snapshotClass }),
  });
  const [newest] = await pointsOf(request);
  const change = labelOf(request);
  const isTaken =
    newest?.metadata?.labels?.[changeLabel] === change &&
    minutesSince(newest) < request.freshMinutes;
  const ordinal = isTaken ? ordinalOf(newest) : ordinalOf(newest) + 1;
  const point = { kind: "VolumeSnapshot", namespace, name: `before-${change}-${ordinal}` } as const;
  const labels = {
    [claimLabel]: request.claim,
    [changeLabel]: change,
    [ordinalLabel]: String(ordinal),
    "app.kubernetes.io/part-of": namespace,
  };
  const deadline = deadlineIn(request.deadlineSeconds);
  await takeSnapshot(
    context,
    point,
    { claim: name, snapshotClass: facts.snapshotClass, labels },
    deadline,
  );
  if (!isTaken) report(`rollback point ${point.name} taken`);
  for (const old of (await pointsOf(request)).slice(Math.max(1, request.keep))) {
    const oldName = old.metadata?.name ?? "";
    await removeSnapshot(
      context,
      { kind: "VolumeSnapshot", namespace, name: oldName },
      deadlineIn(request.deadlineSeconds),
    );
    report(`rollback point ${oldName} removed: the newest ${request.keep} are kept`);
  }
  return point.name;
}

/** The point taken before this change, if it is still there. */
export async function findRollbackPoint(request: RollbackRequest): Promise<string | undefined> {
  const change = labelOf(request);
  const points = await pointsOf(request);
  return points.find(({ metadata }) => metadata?.labels?.[changeLabel] === change)?.metadata?.name;
}

/** The claim's points, the newest first. */
async function pointsOf({ context, namespace, claim }: RollbackRequest) {
  const points = await list(context, "VolumeSnapshot", {
    namespace,
    labels: `${claimLabel}=${claim}`,
  });
  return points.sort((one, other) => ordinalOf(other) - ordinalOf(one));
}

function ordinalOf(point: Shapes["VolumeSnapshot"] | undefined): number {
  return Number(point?.metadata?.labels?.[ordinalLabel] ?? 0);
}

function minutesSince({ metadata }: Shapes["VolumeSnapshot"]): number {
  return (Date.now() - Number(new Date(metadata?.creationTimestamp ?? 0))) / 60_000;
}

/** Short enough for a label and a part of a name. */
function labelOf({ change }: RollbackRequest): string {
  return createHash("sha256").update(change).digest("hex").slice(0, 12);
}
