import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../userError";
import type { Shapes } from "../objectKinds";
import { ClusterError, create, find, forbidden, patch } from "../objects";
import { namespaceRole } from "../permissions";
import { waitFor, waitUntilGone, type Deadline } from "../waiting";
import { annotations, cloneLabel, labelsOf, partsOf, type CloneIdentity } from "./names";

/** A run that has not said so for this long is dead. */
const aliveMilliseconds = 20_000;
const beatMilliseconds = 4_000;

/** Names this run of the clone: who is at work in its quarantine. */
export function newRun(): string {
  return `${hostname()}/${process.pid}/${Date.now().toString(36)}`;
}

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
    if (!isAlive(found)) {
      const { resourceVersion } = found.metadata;
      const mine = { [annotations.run]: run, [annotations.alive]: new Date().toISOString() };
      await patch(clone.context, ref, { metadata: { resourceVersion, annotations: mine } });
      return true;
    }
    if (Date.now() >= deadline.at) throw inUse(clone, found);
    if (!isToldOf) report(`waiting for ${runOf(found)}, which is at work on this clone`);
    isToldOf = true;
    await sleep(500);
  }
}

/** Whether the run that has a quarantine is still at work in it. */
export function isAlive(quarantine: Shapes["Namespace"]): boolean {
  const [host, pid] = runOf(quarantine).split("/");
  if (host === hostname() && Number(pid) !== process.pid && !isRunning(Number(pid))) return false;
  const alive = quarantine.metadata?.annotations?.[annotations.alive] ?? "";
  return Date.now() - Date.parse(alive) < aliveMilliseconds;
}

/** Says from time to time that this run is at work, as long as the work lasts. */
export async function withHeartbeat<T>(
  clone: CloneIdentity,
  run: string,
  work: () => Promise<T>,
): Promise<T> {
  const ref = partsOf(clone).quarantine;
  const beat = async () => {
    const found = await find(clone.context, ref);
    if (found === undefined || runOf(found) !== run) return;
    const alive = { [annotations.alive]: new Date().toISOString() };
    await patch(clone.context, ref, { metadata: { annotations: alive } });
  };
  const timer = setInterval(() => {
    // A beat that is lost is made good by the next; what is wrong, the steps will meet themselves.
    beat().catch(() => undefined);
  }, beatMilliseconds);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function runOf(quarantine: Shapes["Namespace"]): string {
  return quarantine.metadata?.annotations?.[annotations.run] ?? "an unknown run";
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function inUse(clone: CloneIdentity, quarantine: Shapes["Namespace"] | undefined): UserError {
  return new UserError(
    `Another run is at work on clone ${clone.cloneId}.`,
    quarantine === undefined ? [] : [`It is ${runOf(quarantine)} (host/process).`],
    "wait until it has ended, then pulumi up",
  );
}
