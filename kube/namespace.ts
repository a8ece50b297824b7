import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../userError";
import { describeApiError } from "./apiError";
import { loadCluster } from "./client";
import { ApiException } from "./clusterClient";
import { find } from "./objects";

/**
 * Deletes a namespace with everything in it and waits until it is gone: until then its volumes
 * and ports are taken.
 * @throws UserError when it is still there after the deadline; names what holds it
 */
export async function removeNamespace(
  context: string,
  namespace: string,
  deadlineSeconds: number,
): Promise<void> {
  const { core } = loadCluster(context);
  const isGone = (error: unknown): undefined => {
    if (error instanceof ApiException && error.code === 404) return undefined;
    throw new UserError(
      `Cannot remove the namespace ${namespace}.`,
      [describeApiError(error)],
      `kubectl --context ${context} delete namespace ${namespace}`,
    );
  };
  await core.deleteNamespace({ name: namespace }).catch(isGone);
  const deadline = Date.now() + deadlineSeconds * 1000;
  for (;;) {
    const found = await core.readNamespace({ name: namespace }).catch(isGone);
    if (!found) return;
    if (Date.now() > deadline) {
      throw new UserError(
        `The namespace ${namespace} is still there after ${deadlineSeconds} s.`,
        (found.status?.conditions ?? []).map(({ type, message }) => `${type}: ${message ?? ""}`),
        `kubectl --context ${context} get all,pvc -n ${namespace}`,
      );
    }
    await sleep(250);
  }
}

/**
 * Whether the cluster has this namespace.
 * @throws UserError when it does not answer, or does not say
 */
export async function hasNamespace(context: string, namespace: string): Promise<boolean> {
  return (await find(context, { kind: "Namespace", name: namespace })) !== undefined;
}
