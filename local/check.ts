import { existsSync } from "node:fs";
import { KubeConfig } from "../kube/clusterClient";
import { loadCluster } from "../kube/client";
import { inspectCluster } from "../kube/preflight";
import { UserError } from "../userError";
import { type Choice } from "./environment";
import { type CachePaths } from "./paths";

/** Says whether the chosen cluster has everything that the program needs, or all that it lacks. */
export async function check(paths: CachePaths, choice: Choice): Promise<void> {
  const kubeConfig =
    choice.context === undefined ? own(paths) : loadCluster(choice.context).kubeConfig;
  const storageClass = process.env.STATEFUL_CD_STORAGE_CLASS;
  const snapshotClass = process.env.STATEFUL_CD_SNAPSHOT_CLASS;
  const facts = await inspectCluster(kubeConfig, {
    namespace: process.env.STATEFUL_CD_NAMESPACE ?? "bookkeeper-check",
    ...(storageClass === undefined ? {} : { storageClass }),
    ...(snapshotClass === undefined ? {} : { snapshotClass }),
  });
  console.log(
    `Cluster: Kubernetes ${facts.serverVersion}, context ${kubeConfig.getCurrentContext()}, ` +
      `StorageClass ${facts.storageClass} of ${facts.provisioner}, ` +
      `VolumeSnapshotClass ${facts.snapshotClass}`,
  );
}

function own(paths: CachePaths): KubeConfig {
  if (!existsSync(paths.kubeconfig)) {
    throw new UserError("The embedded cluster has not been made yet.", [], "make up");
  }
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(paths.kubeconfig);
  return kubeConfig;
}
