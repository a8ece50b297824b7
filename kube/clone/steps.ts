import { beginRemoval, create, find, patch } from "../objects";
import { remove, waitFor, waitUntilGone, waitUntilNone, type Deadline } from "../waiting";
import {
  annotations,
  importNameOf,
  identityOf,
  labelsOf,
  partsOf,
  type CloneIdentity,
  type CloneRequest,
} from "./names";
import { openRawClaim, prepareVerifiers, removeOpening, type OpeningTimes } from "./opening";
import { inspectSource, type CloneStorage } from "./preflight";
import { bindDeployer, makeQuarantine, onceAllowed } from "./quarantine";
import {
  aliasSnapshot,
  contentRef,
  createContent,
  discardContent,
  type PhysicalSnapshot,
  removeSnapshot,
  takeSnapshot,
} from "./snapshots";

/** What the steps have found out so far; each may rely on what those before it set. */
export interface CloneFacts {
  storage: CloneStorage;
  source: PhysicalSnapshot;
  /** ISO time since when raw data has lain outside production. */
  rawSince: string;
  opening: OpeningTimes;
  masked: PhysicalSnapshot;
}

/** A run of the steps: the request, the name of who runs it, and the facts so far. */
export interface CloneRun {
  readonly request: CloneRequest;
  readonly run: string;
  readonly facts: Partial<CloneFacts>;
  readonly report: (line: string) => void;
}

/**
 * One step of a clone. `run` may find what an earlier run has made; `undo` removes it, knows only
 * names, and waits until it is gone. Undoing what was never done is nothing.
 */
export interface CloneStep {
  readonly name: string;
  run(clone: CloneRun, deadline: Deadline): Promise<void>;
  undo?(clone: CloneIdentity, deadline: Deadline): Promise<void>;
}

/**
 * The steps in their order; undone, they run backwards. A new step stands where its data is ready:
 * a proof after "open", masking before "masked snapshot".
 */
export const cloneSteps: readonly CloneStep[] = [
  {
    name: "preflight",
    async run({ request, facts }) {
      facts.storage = await inspectSource(request);
    },
  },
  {
    name: "quarantine",
    async run({ request, run }, deadline) {
      await makeQuarantine(identityOf(request), run, deadline);
    },
  },
  {
    name: "verifiers",
    run: ({ request }) => prepareVerifiers(request),
  },
  {
    name: "source snapshot",
    async run({ request, facts }, deadline) {
      facts.rawSince = new Date().toISOString();
      facts.source = await takeSnapshot(
        request.context,
        partsOf(identityOf(request)).sourceSnapshot,
        {
          claim: request.source.claim,
          snapshotClass: need(facts, "storage").snapshotClass,
          labels: labelsOf(request.cloneId, "source"),
          annotations: { [annotations.quarantine]: request.quarantine },
        },
        deadline,
      );
    },
    undo: (clone, deadline) =>
      removeSnapshot(clone.context, partsOf(clone).sourceSnapshot, deadline),
  },
  {
    name: "alias",
    async run({ request, facts }, deadline) {
      const parts = partsOf(identityOf(request));
      await aliasSnapshot(
        request.context,
        { content: parts.aliasContent, snapshot: parts.alias },
        need(facts, "source"),
        labelsOf(request.cloneId, "alias"),
        { [annotations.quarantine]: request.quarantine },
        deadline,
      );
    },
    async undo(clone, deadline) {
      const { alias, aliasContent } = partsOf(clone);
      await removeSnapshot(clone.context, alias, deadline);
      await discardContent(clone.context, aliasContent, deadline);
    },
  },
  {
    name: "raw claim",
    async run({ request, facts }) {
      const { storageClass, accessModes, capacity } = need(facts, "storage");
      const { restoreSize } = need(facts, "source");
      await create(request.context, partsOf(identityOf(request)).rawClaim, {
        labels: labelsOf(request.cloneId, "raw"),
        spec: {
          accessModes,
          storageClassName: storageClass,
          dataSource: { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: "raw" },
          resources: { requests: { storage: restoreSize > 0 ? String(restoreSize) : capacity } },
        },
      });
    },
    async undo(clone, deadline) {
      await remove(clone.context, partsOf(clone).rawClaim, deadline);
      await waitUntilNone(
        clone.context,
        "PersistentVolume",
        {},
        deadline,
        ({ spec }) => spec?.claimRef?.namespace === clone.quarantine,
      );
    },
  },
  {
    name: "open",
    async run({ request, facts }, deadline) {
      facts.opening = await openRawClaim(request, deadline);
    },
    undo: removeOpening,
  },
  {
    name: "masked snapshot",
    async run({ request, facts }, deadline) {
      const parts = partsOf(identityOf(request));
      facts.masked = await takeSnapshot(
        request.context,
        parts.maskedSnapshot,
        {
          claim: parts.rawClaim.name,
          snapshotClass: need(facts, "storage").snapshotClass,
          labels: labelsOf(request.cloneId, "masked"),
        },
        deadline,
      );
    },
    undo: (clone, deadline) =>
      removeSnapshot(clone.context, partsOf(clone).maskedSnapshot, deadline),
  },
  {
    name: "ownership",
    run: moveOwnership,
    async undo(clone, deadline) {
      const { maskedContent } = partsOf(clone);
      const content = await find(clone.context, maskedContent);
      const isFinished = content?.metadata?.annotations?.[annotations.finished] !== undefined;
      if (content !== undefined && !isFinished) {
        await discardContent(clone.context, maskedContent, deadline);
      }
    },
  },
];

/**
 * The masked snapshot gets a content that outlives the quarantine and is bound to the import to
 * come. Of two contents of one snapshot at most one ever says Delete, and a kill between two lines
 * leaves one that is labelled.
 */
async function moveOwnership({ request, facts }: CloneRun, deadline: Deadline): Promise<void> {
  const { context, cloneId, target, quarantine } = request;
  const { maskedContent } = partsOf(identityOf(request));
  const masked = need(facts, "masked");
  const labels = labelsOf(cloneId, "masked");
  const about = {
    [annotations.quarantine]: quarantine,
    [annotations.rawSince]: need(facts, "rawSince"),
  };
  const snapshot = {
    kind: "VolumeSnapshot",
    namespace: target.namespace,
    name: importNameOf(cloneId),
  } as const;
  await createContent(context, maskedContent, snapshot, masked, labels, about);
  await waitFor(
    context,
    maskedContent,
    deadline,
    "ready to use",
    (found) => (found?.status?.readyToUse === true ? found : undefined),
    (found) => [found?.status?.error?.message ?? "Nobody has said why."],
  );
  await patch(context, contentRef(masked.content), {
    metadata: { labels, annotations: { [annotations.quarantine]: quarantine } },
    spec: { deletionPolicy: "Retain" },
  });
  await patch(context, maskedContent, {
    metadata: { annotations: { [annotations.finished]: new Date().toISOString() } },
    spec: { deletionPolicy: "Delete" },
  });
}

/**
 * Removes all of a clone but the finished snapshot, backwards, waiting for absence at each step.
 * The empty namespace comes last; Kubernetes takes five seconds for any namespace.
 * @param last whether its absence is waited for too
 */
export async function undoClone(
  clone: CloneIdentity,
  deadline: Deadline,
  last: "awaited" | "asked for" = "awaited",
): Promise<void> {
  const { quarantine, rawClaim } = partsOf(clone);
  const found = await find(clone.context, quarantine);
  if (found?.metadata?.deletionTimestamp !== undefined) {
    // Kubernetes empties it, our own rights in it included; what lies outside is left to do.
    await waitUntilGone(clone.context, quarantine, deadline);
  } else if (found !== undefined) {
    await bindDeployer(clone);
    await onceAllowed(deadline, () => find(clone.context, rawClaim));
  }
  for (const step of [...cloneSteps].reverse()) await step.undo?.(clone, deadline);
  await beginRemoval(clone.context, quarantine);
  if (last === "awaited") await waitUntilGone(clone.context, quarantine, deadline);
}

/** A fact that an earlier step has set. */
function need<K extends keyof CloneFacts>(facts: Partial<CloneFacts>, name: K): CloneFacts[K] {
  const fact = facts[name];
  if (fact === undefined) throw new Error(`the clone's steps are out of order: no ${name} yet`);
  return fact;
}
