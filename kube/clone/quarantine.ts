import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../userError";
import type { Shapes } from "../objectKinds";
import { ClusterError, create, find, forbidden } from "../objects";
import { namespaceRole } from "../permissions";
import { waitFor, waitUntilGone, type Deadline } from "../waiting";
import { annotations, cloneLabel, labelsOf, partsOf, type CloneIdentity } from "./names";
import { claim, findDead, hasEnded, runOf, workerOf } from "./liveness";

/**
 * Makes the namespace for raw data: pods as Pod Security `restricted` wants them, no traffic at
 * all, none of the application's Secrets. Its creation is the lock: one run gets it.
 * @throws UserError when another run has made it meanwhile
 */
export async function makeQuarantine(
  clone: CloneIdentity,
  run: string,
  deadline: Deadline,
): Promise<void> {
  const { context, quarantine: namespace, deployer } = clone;
  const labels = labelsOf(clone.cloneId, "quarantine");
  const isMade = await create(context, partsOf(clone).quarantine, {
    labels: { ...labels, "pod-security.kubernetes.io/enforce": "restricted" },
    annotations: {
      [annotations.source]: clone.sourceNamespace,
      [annotations.run]: run,
      [annotations.alive]: new Date().toISOString(),
      ...(deployer === undefined ? {} : { [annotations.deployer]: deployer }),
    },
  });
  if (!isMade) throw inUse(clone, await find(context, partsOf(clone).quarantine));
  await bindDeployer(clone);
  await onceAllowed(deadline, () =>
    create(
      context,
      { kind: "NetworkPolicy", namespace, name: "deny-all" },
      {
        labels,
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
    ),
  );
  // Without it the first pod is refused and tried again only ten seconds later.
  const account = { kind: "ServiceAccount", namespace, name: "default" } as const;
  await waitFor(context, account, deadline, "there", (found) => found);
}

/** Gives the clone's deployer its rights in the quarantine; a run may have died before it had them. */
export async function bindDeployer(clone: CloneIdentity): Promise<void> {
  const { context, quarantine: namespace, deployer } = clone;
  if (deployer === undefined) return;
  const group = "rbac.authorization.k8s.io";
  await create(
    context,
    { kind: "RoleBinding", namespace, name: "stateful-cd" },
    {
      labels: labelsOf(clone.cloneId, "quarantine"),
      roleRef: { apiGroup: group, kind: "ClusterRole", name: namespaceRole },
      subjects: [{ apiGroup: group, kind: "User", name: deployer }],
    },
  );
}

/** A new binding takes a moment to reach the API server's authoriser. */
export async function onceAllowed(
  deadline: Deadline,
  request: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    try {
      await request();
      return;
    } catch (error) {
      const isEarly = error instanceof ClusterError && error.code === forbidden;
      if (!isEarly || Date.now() >= deadline.at) throw error;
    }
    await sleep(100);
  }
}

/**
 * Waits until no other run of this clone is alive, and takes what a dead one has left.
 * @returns whether it left a quarantine
 * @throws UserError when the other run is still alive at the deadline, or the namespace is not ours
 */
export async function takeOver(
  clone: CloneIdentity,
  run: string,
  report: (line: string) => void,
  deadline: Deadline,
): Promise<boolean> {
  const ref = partsOf(clone).quarantine;
  let isToldOf = false;
  for (;;) {
    const found = await find(clone.context, ref);
    if (found === undefined) return false;
    if (found.metadata?.labels?.[cloneLabel] !== clone.cloneId) {
      throw new UserError(
        `The namespace ${clone.quarantine} is not the quarantine of clone ${clone.cloneId}.`,
        [`It has no label ${cloneLabel}: ${clone.cloneId}, so it is left alone.`],
        `kubectl --context ${clone.context} describe namespace ${clone.quarantine}`,
      );
    }
    if (found.metadata.deletionTimestamp !== undefined) {
      // Empty, or removed by somebody: Kubernetes does the rest.
      await waitUntilGone(clone.context, ref, deadline);
      return false;
    }
    if (runOf(found) === run) return true;
    if (!isToldOf && !hasEnded(runOf(found))) {
      report(`waiting for ${workerOf(found)}, which is at work on this clone`);
      isToldOf = true;
    }
    const dead = await findDead(clone.context, found);
    if (dead !== undefined && (await claim(clone.context, dead, run))) return true;
    if (Date.now() >= deadline.at) throw inUse(clone, found);
  }
}

function inUse(clone: CloneIdentity, quarantine: Shapes["Namespace"] | undefined): UserError {
  return new UserError(
    `Another run is at work on clone ${clone.cloneId}.`,
    quarantine === undefined ? [] : [`It is ${workerOf(quarantine)} (host/process).`],
    "wait until it has ended, then pulumi up",
  );
}
