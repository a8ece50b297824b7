import { errorText } from "../../userError";
import type { Shapes } from "../objectKinds";
import { called, ClusterError, find, forbidden, list, type Ref } from "../objects";
import { deadlineIn } from "../waiting";
import { annotations, cloneLabel, type CloneIdentity, partLabel } from "./names";
import { isAlive } from "./quarantine";
import { contentRef, discardContent, removeSnapshot } from "./snapshots";
import { undoClone } from "./steps";

/** Something of a clone that nobody will come back for. */
export interface Leftover {
  /** What it is and why nobody needs it. */
  readonly what: string;
  readonly remove: () => Promise<void>;
}

export interface SweepOptions {
  /** kubeconfig context */
  readonly context: string;
  /** How long a finished clone may wait for its import, while somebody may still come for it. */
  readonly graceSeconds: number;
  /** A namespace about to get another clone: nobody comes any more for one that waits for it. */
  readonly supersededIn?: string;
  readonly report: (line: string) => void;
}

const deadlineSeconds = 120;
const passes = 2;
/** Kubernetes needs some seconds to remove any namespace; one that needs more is held by something. */
const removalMilliseconds = 60_000;

/**
 * Finds what dead runs and forgotten clones have left and removes it: workloads, claims, snapshots,
 * contents, namespaces, waiting for absence at each. What a living run has, and a finished clone
 * with its import, stay.
 * @returns what is still there
 */
export async function sweep(options: SweepOptions): Promise<string[]> {
  let left = await findLeftovers(options);
  // What a quarantine owned shows only once it is gone, so there is a second look.
  for (let pass = 0; left.length > 0 && pass < passes; pass++) {
    for (const { what, remove } of left) {
      options.report(`removing ${what}`);
      try {
        await remove();
      } catch (error) {
        options.report(errorText(error));
      }
    }
    left = await findLeftovers(options);
  }
  return left.map(({ what }) => what);
}

/**
 * All that carries our labels, less what belongs to a living run or a clone in use. Parts are listed
 * before quarantines: a quarantine is made before its parts and removed after them, so a part seen
 * first and no quarantine then is a part that nobody works on.
 */
export async function findLeftovers(options: SweepOptions): Promise<Leftover[]> {
  const { context } = options;
  const snapshots = await sourceSnapshots(context);
  const contents = await list(context, "VolumeSnapshotContent", { labels: cloneLabel });
  const quarantines = await list(context, "Namespace", {
    labels: `${cloneLabel},${partLabel}=quarantine`,
  });
  const standing = quarantines.filter((quarantine) => !isBeingRemoved(quarantine));
  const kept = new Set(standing.map(({ metadata }) => metadata?.name));
  const dead = standing.filter((quarantine) => !isAlive(quarantine));
  const forgotten: Leftover[] = [];
  for (const { metadata } of contents) {
    const ref = contentRef(metadata?.name);
    const why = await whyForgotten(options, ref, kept);
    if (why === undefined) continue;
    forgotten.push({
      what: `${called(ref)}, ${why}`,
      remove: () => discardContent(context, ref, deadlineIn(deadlineSeconds)),
    });
  }
  return [
    ...dead.map((quarantine) => deadQuarantine(context, quarantine)),
    ...snapshots.flatMap((snapshot) => strayed(context, snapshot, kept)),
    ...forgotten,
  ];
}

function isBeingRemoved({ metadata }: Shapes["Namespace"]): boolean {
  const since = metadata?.deletionTimestamp;
  return since !== undefined && Date.now() - new Date(since).getTime() < removalMilliseconds;
}

function deadQuarantine(context: string, { metadata }: Shapes["Namespace"]): Leftover {
  const deployer = metadata?.annotations?.[annotations.deployer];
  const clone: CloneIdentity = {
    context,
    ...(deployer === undefined ? {} : { deployer }),
    cloneId: metadata?.labels?.[cloneLabel] ?? "",
    sourceNamespace: metadata?.annotations?.[annotations.source] ?? "",
    quarantine: metadata?.name ?? "",
  };
  const run = metadata?.annotations?.[annotations.run] ?? "unknown";
  return {
    what: `Namespace ${clone.quarantine} of clone ${clone.cloneId}, whose run ${run} is dead`,
    remove: () => undoClone(clone, deadlineIn(deadlineSeconds)),
  };
}

async function sourceSnapshots(context: string): Promise<Shapes["VolumeSnapshot"][]> {
  const namespaces = await list(context, "Namespace", { labels: "app.kubernetes.io/part-of" });
  const found = await Promise.all(
    namespaces.map(({ metadata }) => ownSnapshots(context, metadata?.name ?? "")),
  );
  return found.flat();
}

/** A snapshot taken for a quarantine that somebody has removed. */
function strayed(
  context: string,
  { metadata }: Shapes["VolumeSnapshot"],
  quarantines: ReadonlySet<string | undefined>,
): Leftover[] {
  const { namespace, name = "", annotations: about } = metadata ?? {};
  const quarantine = about?.[annotations.quarantine] ?? "";
  if (quarantines.has(quarantine)) return [];
  const ref: Ref<"VolumeSnapshot"> = { kind: "VolumeSnapshot", namespace: namespace ?? "", name };
  const remove = () => removeSnapshot(context, ref, deadlineIn(deadlineSeconds));
  return [{ what: `${called(ref)}, whose quarantine ${quarantine} is gone`, remove }];
}

/** Namespaces of other people are theirs: what may not be listed there is not ours. */
async function ownSnapshots(context: string, namespace: string) {
  try {
    const labels = `${cloneLabel},${partLabel}=source`;
    return await list(context, "VolumeSnapshot", { namespace, labels });
  } catch (error) {
    if (error instanceof ClusterError && error.code === forbidden) return [];
    throw error;
  }
}

async function whyForgotten(
  { context, graceSeconds, supersededIn }: SweepOptions,
  ref: Ref<"VolumeSnapshotContent">,
  quarantines: ReadonlySet<string | undefined>,
): Promise<string | undefined> {
  // Read anew: it may have been finished, and its quarantine removed, since it was listed.
  const content = await find(context, ref);
  if (content === undefined) return undefined;
  const { metadata, spec } = content;
  const about = metadata?.annotations ?? {};
  const quarantine = about[annotations.quarantine] ?? "";
  if (quarantines.has(quarantine)) return undefined;
  const finished = about[annotations.finished];
  if (finished === undefined) return `whose quarantine ${quarantine} is gone`;
  const { namespace = "", name = "" } = spec.volumeSnapshotRef;
  const target = await find(context, { kind: "Namespace", name: namespace });
  if (target === undefined) return `whose namespace ${namespace} is gone`;
  const isWaitedFor =
    namespace !== supersededIn && Date.now() - Date.parse(finished) < graceSeconds * 1000;
  if (isWaitedFor || (await isImported(context, { kind: "VolumeSnapshot", namespace, name }))) {
    return undefined;
  }
  return `which no ${namespace}/${name} imports`;
}

/** An import that may not be looked at is taken for one in use. */
async function isImported(context: string, ref: Ref<"VolumeSnapshot">): Promise<boolean> {
  try {
    return (await find(context, ref)) !== undefined;
  } catch (error) {
    if (error instanceof ClusterError && error.code === forbidden) return true;
    throw error;
  }
}
