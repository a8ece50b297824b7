import { UserError } from "../../userError";
import type { Shapes } from "../objectKinds";
import { called, create, find, list, patch, type Ref } from "../objects";
import { remove, waitFor, waitUntilGone, type Deadline } from "../waiting";

/** A snapshot as the storage knows it. */
export interface PhysicalSnapshot {
  /** Name of the VolumeSnapshotContent it was found by. */
  readonly content: string;
  readonly handle: string;
  readonly driver: string;
  /** Bytes that a volume of it must have at least. */
  readonly restoreSize: number;
  /** Annotations its removal may need: where the driver's credentials are. */
  readonly deletion: Readonly<Record<string, string>>;
}

const contentFinalizer = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection";

type Content = Shapes["VolumeSnapshotContent"];
type Snapshot = Shapes["VolumeSnapshot"];

/** Snapshots a claim, or finds the snapshot made before, and waits until it can be used. */
export async function takeSnapshot(
  context: string,
  ref: Ref<"VolumeSnapshot">,
  from: {
    claim: string;
    snapshotClass: string;
    labels: Readonly<Record<string, string>>;
    annotations?: Readonly<Record<string, string>>;
  },
  deadline: Deadline,
): Promise<PhysicalSnapshot> {
  await create(context, ref, {
    labels: from.labels,
    ...(from.annotations && { annotations: from.annotations }),
    spec: {
      volumeSnapshotClassName: from.snapshotClass,
      source: { persistentVolumeClaimName: from.claim },
    },
  });
  const snapshot = await waitUntilReady(context, ref, deadline);
  const content = await contentOf(context, snapshot);
  return physicalOf(content);
}

/**
 * Makes a snapshot that exists in the storage known under another name: a content of its own, and
 * the snapshot bound to it. The content says Retain, so whoever owned it before still does.
 */
export async function aliasSnapshot(
  context: string,
  refs: {
    readonly content: Ref<"VolumeSnapshotContent">;
    readonly snapshot: Ref<"VolumeSnapshot">;
  },
  physical: PhysicalSnapshot,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
  deadline: Deadline,
): Promise<void> {
  await createContent(context, refs.content, refs.snapshot, physical, labels, annotations);
  await create(context, refs.snapshot, {
    labels,
    annotations,
    spec: { source: { volumeSnapshotContentName: refs.content.name } },
  });
  const snapshot = await waitUntilReady(context, refs.snapshot, deadline);
  ensureBound(refs, snapshot, await contentOf(context, snapshot), physical.handle);
}

/**
 * A pre-provisioned content for a snapshot of the storage. It says Retain: it owns nothing yet. It
 * has from the start the finalizer that the snapshot controller gives it only once it is bound:
 * without it a content that says Delete goes, and leaves the storage's snapshot to nobody (tried;
 * external-snapshotter 8.7.0, syncContent).
 */
export async function createContent(
  context: string,
  ref: Ref<"VolumeSnapshotContent">,
  snapshot: Ref<"VolumeSnapshot">,
  physical: PhysicalSnapshot,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  await create(context, ref, {
    labels,
    annotations: { ...physical.deletion, ...annotations },
    finalizers: [contentFinalizer],
    spec: {
      deletionPolicy: "Retain",
      driver: physical.driver,
      source: { snapshotHandle: physical.handle },
      volumeSnapshotRef: { namespace: snapshot.namespace ?? "", name: snapshot.name },
    },
  });
}

/**
 * Both sides of a binding, since either could have been made by somebody else: the snapshot's
 * content is ours and has the handle, and the content is bound to this very snapshot.
 * @throws UserError naming what was expected and what is there
 */
export function ensureBound(
  refs: { readonly content: Ref; readonly snapshot: Ref },
  snapshot: Snapshot,
  content: Content,
  handle: string,
): void {
  const facts = [
    ["content of the snapshot", refs.content.name, snapshot.status?.boundVolumeSnapshotContentName],
    ["handle of the content", handle, content.spec.source.snapshotHandle],
    ["handle in use", handle, content.status?.snapshotHandle],
    ["snapshot of the content", snapshot.metadata?.uid, content.spec.volumeSnapshotRef.uid],
  ] as const;
  const wrong = facts.filter(([, expected, got]) => expected !== got);
  if (wrong.length === 0) return;
  throw new UserError(
    `${called(refs.snapshot)} is not bound to the snapshot it was made for.`,
    wrong.map(
      ([what, expected, got]) => `${what}: expected ${expected ?? "none"}, got ${got ?? "none"}`,
    ),
    "find out who else makes snapshots of that name, then run again",
  );
}

/**
 * Removes a snapshot and whatever contents are bound to it, and waits until they are gone. One that
 * says Delete takes the storage's snapshot with it; for one that says Retain see `discardContent`.
 */
export async function removeSnapshot(
  context: string,
  ref: Ref<"VolumeSnapshot">,
  deadline: Deadline,
): Promise<void> {
  const bound = (await list(context, "VolumeSnapshotContent")).filter(
    ({ spec: { volumeSnapshotRef: to } }) => to.namespace === ref.namespace && to.name === ref.name,
  );
  await remove(context, ref, deadline);
  for (const content of bound) {
    const own = contentRef(content.metadata?.name);
    if (content.spec.deletionPolicy === "Delete") await waitUntilGone(context, own, deadline);
    else await discardContent(context, own, deadline);
  }
}

/**
 * Removes a content, and the storage's snapshot too unless another content owns that: exactly one
 * may say Delete. With none, nobody would ever remove it, so this one does.
 */
export async function discardContent(
  context: string,
  ref: Ref<"VolumeSnapshotContent">,
  deadline: Deadline,
): Promise<void> {
  const content = await find(context, ref);
  if (content === undefined) return;
  const handle = handleOf(content);
  if (handle !== undefined) {
    const isOwned = (await list(context, "VolumeSnapshotContent")).some(
      (other) =>
        other.metadata?.name !== ref.name &&
        other.spec.deletionPolicy === "Delete" &&
        other.spec.driver === content.spec.driver &&
        handleOf(other) === handle,
    );
    const deletionPolicy = isOwned ? "Retain" : "Delete";
    await patch(context, ref, { spec: { deletionPolicy } });
  }
  await remove(context, ref, deadline);
}

/** The storage's name of a content's snapshot. */
export function handleOf({ spec, status }: Content): string | undefined {
  return status?.snapshotHandle ?? spec.source.snapshotHandle;
}

export function contentRef(name: string | undefined): Ref<"VolumeSnapshotContent"> {
  return { kind: "VolumeSnapshotContent", name: name ?? "" };
}

async function waitUntilReady(
  context: string,
  ref: Ref<"VolumeSnapshot">,
  deadline: Deadline,
): Promise<Snapshot> {
  return waitFor(
    context,
    ref,
    deadline,
    "ready to use",
    (found) => (found?.status?.readyToUse === true ? found : undefined),
    (found) => {
      if (found === undefined) return ["It is not there."];
      return [
        found.status?.error?.message ??
          "Nobody has said why: is the snapshot controller running, and the driver's side-car?",
      ];
    },
  );
}

async function contentOf(context: string, snapshot: Snapshot): Promise<Content> {
  const name = snapshot.status?.boundVolumeSnapshotContentName;
  const content = await find(context, contentRef(name));
  if (content !== undefined) return content;
  throw new UserError(
    `VolumeSnapshotContent ${name ?? ""} is gone while its snapshot is in use.`,
    [],
    "run again",
  );
}

function physicalOf(content: Content): PhysicalSnapshot {
  const deletion = Object.entries(content.metadata?.annotations ?? {}).filter(([name]) =>
    name.startsWith("snapshot.storage.kubernetes.io/deletion-secret-"),
  );
  return {
    content: content.metadata?.name ?? "",
    handle: handleOf(content) ?? "",
    driver: content.spec.driver,
    restoreSize: content.status?.restoreSize ?? 0,
    deletion: Object.fromEntries(deletion),
  };
}
