import { UserError } from "../userError";
import type { Shapes } from "./objectKinds";
import { list } from "./objects";
import { describePod } from "./readyPod";
import { deadlineIn, waitFor } from "./waiting";

/** A StatefulSet that is to be ready as it is declared now. */
export interface ServerRequest {
  /** kubeconfig context */
  readonly context: string;
  readonly namespace: string;
  /** Name of the StatefulSet, and value of its pods' label `app.kubernetes.io/name`. */
  readonly app: string;
  /** The `metadata.generation` that its pods must have. */
  readonly generation: number;
  readonly deadlineSeconds: number;
}

/**
 * Waits until every pod of a StatefulSet is ready and as declared.
 * @throws UserError at the deadline, with what its pods wait for and what the cluster has warned of:
 *   a full disk, an image that is not there, a node without room
 */
export async function awaitServer(request: ServerRequest): Promise<void> {
  const { context, namespace, app, generation, deadlineSeconds } = request;
  const ref = { kind: "StatefulSet", namespace, name: app } as const;
  const accept = (found: Shapes["StatefulSet"] | undefined) =>
    isReady(found, generation) || undefined;
  try {
    await waitFor(context, ref, deadlineIn(deadlineSeconds), "ready", accept);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const causes = [...(await podsOf(request)), ...(await warningsOf(request))];
    throw new UserError(error.problem, [...error.details, ...causes], error.next);
  }
}

function isReady(found: Shapes["StatefulSet"] | undefined, generation: number): boolean {
  const { replicas = 1 } = found?.spec ?? {};
  const { observedGeneration = 0, readyReplicas, updatedReplicas } = found?.status ?? {};
  const isCurrent = observedGeneration >= generation;
  return isCurrent && readyReplicas === replicas && updatedReplicas === replicas;
}

async function podsOf({ context, namespace, app }: ServerRequest): Promise<string[]> {
  const labels = `app.kubernetes.io/name=${app}`;
  return (await list(context, "Pod", { namespace, labels })).map(describePod);
}

/** The warnings about the server, its pods and its volume, and how old they are. */
async function warningsOf({ context, namespace, app }: ServerRequest): Promise<string[]> {
  const events = await list(context, "Event", { namespace });
  return events.flatMap(({ type, reason, message, involvedObject, lastTimestamp, eventTime }) => {
    const { kind = "", name = "" } = involvedObject ?? {};
    if (type !== "Warning" || !(name === app || name.startsWith(`${app}-`))) return [];
    const age = Math.round(
      (Date.now() - Number(new Date(lastTimestamp ?? eventTime ?? NaN))) / 1000,
    );
    const when = Number.isNaN(age) ? "" : ` (${age} s ago)`;
    return [`${kind} ${name}: ${reason ?? ""}: ${message ?? ""}${when}`];
  });
}
