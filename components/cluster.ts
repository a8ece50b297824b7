import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { errorText } from "../userError";
import { loadCluster } from "../kube/client";
import { inspectCluster } from "../kube/preflight";

export interface ClusterArgs {
  /** kubeconfig context */
  readonly context: string;
  /** The namespace the stack will live in. */
  readonly namespace: string;
  readonly storageClass?: string | undefined;
  readonly snapshotClass?: string | undefined;
}

/**
 * Looks at the cluster before anything is declared on it, and returns the provider for it. That is
 * declared first: the plugin needs a quarter of a second to start, during which the program goes on.
 * A preview goes on without a cluster and says what it could not know; an up does not.
 * @throws UserError naming what the cluster lacks
 */
export async function connectCluster(name: string, args: ClusterArgs): Promise<k8s.Provider> {
  const { context, namespace, storageClass, snapshotClass } = args;
  const { kubeConfig } = loadCluster(context);
  const provider = new k8s.Provider(name, {
    context,
    // Otherwise a new address of the API server would replace every resource, volumes included.
    clusterIdentifier: context,
  });
  try {
    await inspectCluster(kubeConfig, {
      namespace,
      permissions: false,
      ...(storageClass === undefined ? {} : { storageClass }),
      ...(snapshotClass === undefined ? {} : { snapshotClass }),
    });
  } catch (error) {
    if (!pulumi.runtime.isDryRun()) throw error;
    const reason = errorText(error);
    await pulumi.log.warn(`This preview rests on the last known state alone. ${reason}`);
  }
  return provider;
}
