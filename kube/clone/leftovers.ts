import type { Shapes } from "../objectKinds";
import { called, ClusterError, find, forbidden, list, type Ref } from "../objects";
import { type Deadline, deadlineIn } from "../waiting";
import { type ImportedClone, isInUse, listImported, removeImported } from "./imported";
import { annotations, cloneLabel, type CloneIdentity, partLabel } from "./names";
import { claim, findDead, newRun, withHeartbeat, workerOf } from "./liveness";
import { contentRef, discardContent, removeSnapshot } from "./snapshots";
import { undoClone } from "./steps";

/** Something of a clone that nobody will come back for. */
export interface Leftover {
  /** What it is and why nobody needs it. */
  readonly what: string;
  /** Removes it, unless somebody has come for it since it was found: that may be minutes ago. */
  readonly remove: () => Promise<void>;
}

/** Which clones nobody comes for any more. */
export interface Patience {
  /** kubeconfig context */
  readonly context: string;
  /** How long a finished clone may wait for its import, while somebody may still come for it. */
  readonly graceSeconds: number;
  /** A namespace about to get another clone: nobody comes any more for one that waits for it. */
  readonly supersededIn?: string;
}

const deadlineSeconds = 120;
/** Kubernetes needs some seconds to remove any namespace; one that needs more is held by something. */
const removalMilliseconds = 60_000;

/**
 * All that carries our labels, less what belongs to a living run or a clone in use. Parts are listed
 * before quarantines: a quarantine is made before its parts and removed after them, so a part seen
 * first and no quarantine then is a part that nobody works on.
 */
export async function findLeftovers(patience: Patience): Promise<Leftover[]> {
  const { context } = patience;
  const run = newRun();
  const namespaces = await ownNamespaces(context);
  const sources = `${cloneLabel},${partLabel}=source`;
  const [snapshots, imported, contents] = await Promise.all([
    inAll(namespaces, (namespace) =>
      list(context, "VolumeSnapshot", { namespace, labels: sources }),
    ),
    inAll(namespaces, (namespace) => listImported(context, namespace)),
    list(context, "VolumeSnapshotContent", { labels: cloneLabel }),
  ]);
  const quarantines = await list(context, "Namespace", {
    labels: `${cloneLabel},${partLabel}=quarantine`,
  });
  const standing = quarantines.filter((quarantine) => !isBeingRemoved(quarantine));
  const dead = await Promise.all(standing.map((quarantine) => findDead(context, quarantine)));
  const parts = await Promise.all([
    ...snapshots.map((snapshot) => strayed(context, snapshot)),
    ...contents.map((content) => forgotten(patience, content)),
    ...imported.map((clone) => unused(clone)),
  ]);
  return [
    ...dead.flatMap((quarantine) => (quarantine ? [deadQuarantine(context, quarantine, run)] : [])),
    ...parts.filter((part) => part !== undefined),
  ];
}

/** What nobody needs any more, for the reason that `why` gives now and must give again when it is removed. */
async function leftoverIf(
  thing: string,
  why: () => Promise<string | undefined>,
  remove: (deadline: Deadline) => Promise<void>,
): Promise<Leftover | undefined> {
  const reason = await why();
  if (reason === undefined) return undefined;
  return {
    what: `${thing}, ${reason}`,
    remove: async () => {
      if ((await why()) !== undefined) await remove(deadlineIn(deadlineSeconds));
    },
  };
}

function isBeingRemoved({ metadata }: Shapes["Namespace"]): boolean {
  const since = metadata?.deletionTimestamp;
  return since !== undefined && Date.now() - new Date(since).getTime() < removalMilliseconds;
}

/** Whether a quarantine is there for somebody: what belongs to it is that run's, or goes with it. */
async function isStanding(context: string, name: string): Promise<boolean> {
  const found = await find(context, { kind: "Namespace", name });
  return found !== undefined && !isBeingRemoved(found);
}

/** The sweep takes it over first, as any run does: from then on it is nobody else's. */
function deadQuarantine(context: string, dead: Shapes["Namespace"], run: string): Leftover {
  const { metadata } = dead;
  const deployer = metadata?.annotations?.[annotations.deployer];
  const clone: CloneIdentity = {
    context,
    ...(deployer === undefined ? {} : { deployer }),
    cloneId: metadata?.labels?.[cloneLabel] ?? "",
    sourceNamespace: metadata?.annotations?.[annotations.source] ?? "",
    quarantine: metadata?.name ?? "",
  };
  return {
    what: `Namespace ${clone.quarantine} of clone ${clone.cloneId}, whose run ${workerOf(dead)} is dead`,
    remove: async () => {
      if (!(await claim(context, dead, run))) return;
      const undo = () => undoClone(clone, deadlineIn(deadlineSeconds));
      await withHeartbeat(clone, run, undo);
    },
  };
}

/** A snapshot taken for a quarantine that somebody has removed. */
function strayed(context: string, { metadata }: Shapes["VolumeSnapshot"]) {
  const { namespace = "", name = "", annotations: about } = metadata ?? {};
  const ref: Ref<"VolumeSnapshot"> = { kind: "VolumeSnapshot", namespace, name };
  const quarantine = about?.[annotations.quarantine] ?? "";
  return leftoverIf(
    called(ref),
    async () =>
      (await isStanding(context, quarantine))
        ? undefined
        : `whose quarantine ${quarantine} is gone`,
    (deadline) => removeSnapshot(context, ref, deadline),
  );
}

/** The content of a clone that nobody works on or will use, with what was made of it. */
function forgotten(patience: Patience, { metadata, spec }: Shapes["VolumeSnapshotContent"]) {
  const { context } = patience;
  const ref = contentRef(metadata?.name);
  const cloneId = metadata?.labels?.[cloneLabel] ?? "";
  const clone = { context, cloneId, namespace: spec.volumeSnapshotRef.namespace ?? "" };
  return leftoverIf(
    called(ref),
    () => whyForgotten(patience, ref, clone),
    async (deadline) => {
      await removeImported(clone, deadline);
      await discardContent(context, ref, deadline);
    },
  );
}

async function whyForgotten(
  { context, graceSeconds, supersededIn }: Patience,
  ref: Ref<"VolumeSnapshotContent">,
  clone: ImportedClone,
): Promise<string | undefined> {
  // Read anew: it may have been finished, and its quarantine removed, since it was listed.
  const content = await find(context, ref);
  if (content === undefined) return undefined;
  const about = content.metadata?.annotations ?? {};
  const quarantine = about[annotations.quarantine] ?? "";
  if (await isStanding(context, quarantine)) return undefined;
  const finished = about[annotations.finished];
  if (finished === undefined) return `whose quarantine ${quarantine} is gone`;
  const { namespace } = clone;
  const target = await find(context, { kind: "Namespace", name: namespace });
  if (target === undefined) return `whose namespace ${namespace} is gone`;
  const isWaitedFor =
    namespace !== supersededIn && Date.now() - Date.parse(finished) < graceSeconds * 1000;
  return isWaitedFor ? undefined : whyUnused(clone);
}

/** Imports and claims whose content is gone already; while it is there, they go with it. */
function unused(clone: ImportedClone) {
  const { context, cloneId, namespace } = clone;
  const labels = `${cloneLabel}=${cloneId}`;
  return leftoverIf(
    `The import and the claims of clone ${cloneId} in ${namespace}`,
    async () => {
      const contents = await list(context, "VolumeSnapshotContent", { labels });
      return contents.length > 0 ? undefined : whyUnused(clone);
    },
    (deadline) => removeImported(clone, deadline),
  );
}

async function whyUnused(clone: ImportedClone): Promise<string | undefined> {
  try {
    return (await isInUse(clone)) ? undefined : `which no server in ${clone.namespace} runs on`;
  } catch (error) {
    // A clone whose servers may not be looked at is taken for one in use.
    if (error instanceof ClusterError && error.code === forbidden) return undefined;
    throw error;
  }
}

async function ownNamespaces(context: string): Promise<string[]> {
  const found = await list(context, "Namespace", { labels: "app.kubernetes.io/part-of" });
  return found.map(({ metadata }) => metadata?.name ?? "");
}

/** Namespaces of other people are theirs: what may not be listed there is not ours. */
async function inAll<T>(
  namespaces: readonly string[],
  listIn: (namespace: string) => Promise<readonly T[]>,
): Promise<T[]> {
  const found = await Promise.all(
    namespaces.map(async (namespace) => {
      try {
        return await listIn(namespace);
      } catch (error) {
        if (error instanceof ClusterError && error.code === forbidden) return [];
        throw error;
      }
    }),
  );
  return found.flat();
}
