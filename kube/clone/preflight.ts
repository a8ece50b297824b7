import { bytesOf } from "../../quantities";
import { UserError } from "../../userError";
import { loadCluster } from "../client";
import { find } from "../objects";
import { inspectCluster } from "../preflight";
import type { CloneRequest } from "./names";

/** What a clone's volumes and snapshots are made with. */
export interface CloneStorage {
  readonly snapshotClass: string;
  readonly storageClass: string;
  readonly accessModes: readonly string[];
  /** Kubernetes quantity of the claim it is made of. */
  readonly capacity: string;
}

/**
 * Looks, before anything is made, whether a clone can be made and everything of it removed again.
 * @throws UserError naming the claim or the class that is in the way
 */
export async function inspectSource(request: CloneRequest): Promise<CloneStorage> {
  const { context, source, target } = request;
  if (source.namespace === target.namespace) {
    throw new UserError(
      `A clone of ${source.namespace} cannot be imported into ${source.namespace} itself.`,
      [],
      "give staging a stack, and so a namespace, of its own",
    );
  }
  const claim = await inspectClaim(request);
  ensureRoom(request, claim.capacity);
  const storageClass = request.storageClass ?? claim.storageClass;
  const facts = await inspectCluster(loadCluster(context).kubeConfig, {
    namespace: request.quarantine,
    permissions: false,
    ...(storageClass === "" ? {} : { storageClass }),
    ...(request.snapshotClass === undefined ? {} : { snapshotClass: request.snapshotClass }),
  });
  if (facts.keeping.length > 0) {
    throw new UserError(
      `Raw data would outlive the clone of ${source.namespace}/${source.claim}.`,
      facts.keeping.map((name) => `${name} keeps what is deleted (Retain).`),
      "name classes that delete in stateful-cd:cluster (storageClass, snapshotClass)",
    );
  }
  return { ...claim, storageClass: facts.storageClass, snapshotClass: facts.snapshotClass };
}

/** No volume is made of a snapshot that is larger; the claim would wait for one until the time is out. */
function ensureRoom({ source, target }: CloneRequest, capacity: string): void {
  if (bytesOf(target.storage) >= bytesOf(capacity)) return;
  throw new UserError(
    `The volumes of ${target.namespace} are too small for a clone of ${source.namespace}/${source.claim}.`,
    [`They have ${target.storage}, production's has ${capacity}.`],
    `set storage: ${capacity} in stateful-cd:database of this stack`,
  );
}

async function inspectClaim({ context, source: { namespace, claim: name } }: CloneRequest) {
  const claim = await find(context, { kind: "PersistentVolumeClaim", namespace, name });
  if (claim === undefined) {
    throw new UserError(
      `There is no claim ${namespace}/${name} to clone.`,
      ["Staging is made of production's data, so production comes first."],
      "pulumi up --stack prod",
    );
  }
  const { phase = "unknown", capacity } = claim.status ?? {};
  if (phase !== "Bound") {
    throw new UserError(
      `The claim ${namespace}/${name} is not bound but ${phase}: there is no data to clone.`,
      [],
      `kubectl --context ${context} describe pvc ${name} -n ${namespace}`,
    );
  }
  return {
    storageClass: claim.spec.storageClassName ?? "",
    accessModes: claim.spec.accessModes ?? ["ReadWriteOnce"],
    capacity: capacity?.storage ?? claim.spec.resources?.requests?.storage ?? "",
  };
}
