import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../userError";
import { describeApiError } from "./apiError";
import { loadCluster, serverOf } from "./client";
import type { Shapes } from "./objectKinds";

/** A port of whichever pod with this label is ready, e.g. the server behind a StatefulSet. */
export interface PodPort {
  /** kubeconfig context */
  readonly context: string;
  readonly namespace: string;
  /** value of the label `app.kubernetes.io/name` */
  readonly app: string;
  /** container port */
  readonly port: number;
  /** the clone whose data the pod must have: while one replaces another, both have the app's label */
  readonly cloneId?: string;
  /** this pod, whatever it says of itself */
  readonly pod?: string;
}

/** Label of pods that run on a clone; its value is the clone id. */
export const dataLabel = "stateful-cd/data-of";

/** No pod serves at the moment: it starts, or is being replaced. Whoever can wait does. */
export class NotReady extends UserError {}

/**
 * The name of the ready pod, asked of the API server every time: after a restart or a
 * replacement the next connection finds the new one.
 * @throws NotReady when none is; names each pod there is and what it waits for
 */
export async function findReadyPod(target: PodPort): Promise<string> {
  if (target.pod !== undefined) return target.pod;
  const cluster = loadCluster(target.context);
  const byClone = target.cloneId === undefined ? "" : `,${dataLabel}=${target.cloneId}`;
  const { items } = await cluster.core
    .listNamespacedPod({
      namespace: target.namespace,
      labelSelector: `app.kubernetes.io/name=${target.app}${byClone}`,
    })
    .catch((error: unknown) => {
      throw new UserError(
        `Cannot list the pods of ${target.namespace}/${target.app} at ${serverOf(cluster)}.`,
        [describeApiError(error)],
        "kubectl --context " + target.context + " get pods -n " + target.namespace,
      );
    });
  const ready = items.find((pod) => isReady(pod) && !pod.metadata?.deletionTimestamp);
  if (ready?.metadata?.name) return ready.metadata.name;
  throw new NotReady(
    `No pod of ${target.namespace}/${target.app} is ready.`,
    items.length > 0 ? items.map(describePod) : ["There is no such pod."],
    `kubectl --context ${target.context} describe pods -n ${target.namespace} -l app.kubernetes.io/name=${target.app}`,
  );
}

const pollMilliseconds = 250;
const readyMilliseconds = 60_000;

/**
 * Waits until a pod is ready, a minute at most. Does not keep the process alive.
 * @param isGivenUp asked in between: whether nobody waits any more
 * @throws UserError as findReadyPod does
 */
export async function awaitReadyPod(target: PodPort, isGivenUp: () => boolean): Promise<void> {
  const deadline = Date.now() + readyMilliseconds;
  for (;;) {
    try {
      await findReadyPod(target);
      return;
    } catch (error) {
      if (isGivenUp() || Date.now() > deadline) throw error;
    }
    await sleep(pollMilliseconds, undefined, { ref: false });
  }
}

function isReady(pod: Shapes["Pod"]): boolean {
  return pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") ?? false;
}

/** What a pod waits for, in one line. */
export function describePod(pod: Shapes["Pod"]): string {
  const name = pod.metadata?.name ?? "a pod";
  const waiting = pod.status?.containerStatuses?.map(({ state }) => state?.waiting).find(Boolean);
  if (waiting)
    return `${name} waits: ${[waiting.reason, waiting.message].filter(Boolean).join(": ")}`;
  const unmet = pod.status?.conditions?.find((c) => c.status === "False");
  if (unmet) return `${name} is not ready: ${unmet.message ?? unmet.reason ?? unmet.type}`;
  return `${name} is ${pod.status?.phase ?? "unknown"}`;
}
