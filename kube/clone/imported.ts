import { list } from "../objects";
import { dataLabel } from "../readyPod";
import { remove, type Deadline } from "../waiting";
import { cloneLabel, importNameOf, partLabel } from "./names";

/** A clone where it is used: the namespace that has its import, and the claims made of that. */
export interface ImportedClone {
  /** kubeconfig context */
  readonly context: string;
  readonly cloneId: string;
  readonly namespace: string;
}

/** The clones that a namespace has an import or a claim of. */
export async function listImported(context: string, namespace: string): Promise<ImportedClone[]> {
  const selection = { namespace, labels: `${cloneLabel},${partLabel} in (import,claim)` };
  const found = await Promise.all([
    list(context, "VolumeSnapshot", selection),
    list(context, "PersistentVolumeClaim", selection),
  ]);
  const ids = new Set(found.flat().map(({ metadata }) => metadata?.labels?.[cloneLabel] ?? ""));
  return [...ids].map((cloneId) => ({ context, cloneId, namespace }));
}

/** Whether a server runs on it, or is to: its pods say whose data they have. */
export async function isInUse({ context, cloneId, namespace }: ImportedClone): Promise<boolean> {
  const servers = await list(context, "StatefulSet", { namespace });
  return servers.some(
    ({ metadata, spec }) =>
      metadata?.deletionTimestamp === undefined &&
      spec?.template?.metadata?.labels?.[dataLabel] === cloneId,
  );
}

/**
 * Removes the claims made of a clone, then its import, and waits until they are gone. What is declared
 * has been removed by then; an `up` that was killed between making one and noting it has left it here,
 * and while it stands its content cannot go.
 */
export async function removeImported(clone: ImportedClone, deadline: Deadline): Promise<void> {
  const { context, cloneId, namespace } = clone;
  const labels = `${cloneLabel}=${cloneId},${partLabel}=claim`;
  for (const { metadata } of await list(context, "PersistentVolumeClaim", { namespace, labels })) {
    const name = metadata?.name ?? "";
    await remove(context, { kind: "PersistentVolumeClaim", namespace, name }, deadline);
  }
  const name = importNameOf(cloneId);
  await remove(context, { kind: "VolumeSnapshot", namespace, name }, deadline);
}
