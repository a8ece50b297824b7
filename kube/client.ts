import { errorText, UserError } from "../userError";
import { CoreV1Api, KubeConfig } from "./clusterClient";
import { limitedClient } from "./timeLimit";

/** A cluster as the kubeconfig names it, and the one typed client that kube/ needs. */
export interface Cluster {
  readonly kubeConfig: KubeConfig;
  readonly core: CoreV1Api;
}

/** A server that is reached but never answers would hold a preview for ever. */
const requestMilliseconds = 10_000;

const clusters = new Map<string, Cluster>();

/**
 * The cluster behind a kubeconfig context, found by kubectl's own rules ($KUBECONFIG, then
 * ~/.kube/config). One client a context and process.
 * @throws UserError when no kubeconfig has that context; names those that exist
 */
export function loadCluster(context: string): Cluster {
  const known = clusters.get(context);
  if (known) return known;
  const kubeConfig = new KubeConfig();
  try {
    kubeConfig.loadFromDefault();
  } catch (error) {
    throw new UserError(
      "The kubeconfig cannot be read.",
      [errorText(error)],
      "kubectl config view, and mend the files that KUBECONFIG names",
    );
  }
  const contexts = kubeConfig.getContexts().map(({ name }) => name);
  if (!contexts.includes(context)) {
    throw new UserError(
      `The kubeconfig has no context "${context}".`,
      [`It has: ${contexts.length > 0 ? contexts.join(", ") : "none"}.`],
      'make up && eval "$(make -s env)" for the embedded cluster, or STATEFUL_CD_CONTEXT=<one of these>',
    );
  }
  kubeConfig.setCurrentContext(context);
  const cluster = { kubeConfig, core: limitedClient(kubeConfig, CoreV1Api, requestMilliseconds) };
  clusters.set(context, cluster);
  return cluster;
}

/** The context that the kubeconfig says is in use, for command lines that name none. */
export function currentContext(): string {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  return kubeConfig.getCurrentContext();
}

/** The API server's address of a context, for messages. */
export function serverOf(cluster: Cluster): string {
  return (
    cluster.kubeConfig.getCurrentCluster()?.server ?? "an address the kubeconfig does not give"
  );
}
