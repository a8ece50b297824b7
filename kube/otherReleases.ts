import { UserError } from "../userError";
import { describeApiError } from "./apiError";
import { loadCluster } from "./client";

/**
 * The pods of a workload that run another release than this one, also those on their way out.
 * @param app value of the label `app.kubernetes.io/name`
 * @param release value of the label `app.kubernetes.io/version`
 */
export async function podsOfOtherReleases(
  context: string,
  namespace: string,
  app: string,
  release: string,
): Promise<string[]> {
  const labelSelector = `app.kubernetes.io/name=${app},app.kubernetes.io/version!=${release}`;
  const { items } = await loadCluster(context)
    .core.listNamespacedPod({ namespace, labelSelector })
    .catch((error: unknown) => {
      throw new UserError(
        `Cannot list the pods of ${namespace}/${app}.`,
        [describeApiError(error)],
        `kubectl --context ${context} get pods -n ${namespace} -l ${labelSelector}`,
      );
    });
  return items.map(({ metadata }) => metadata?.name ?? "a pod");
}
