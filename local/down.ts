import { rm } from "node:fs/promises";
import { stopCluster } from "./cluster";
import { type CachePaths } from "./paths";
import { withClusterLock } from "./up";

/** Ends the cluster and removes all of it from the machine. Its data stays for the next `up`. */
export async function down(paths: CachePaths): Promise<void> {
  await withClusterLock("make down", () => stopCluster(paths));
  console.log(`Cluster: down; its data stays in ${paths.cluster}`);
}

/**
 * Ends the cluster and removes its data: volumes, objects, certificates, and Pulumi's state and
 * stacks, which describe nothing that still exists. With `all`, the built programs and images go too.
 */
export async function clean(paths: CachePaths, all: boolean): Promise<void> {
  await withClusterLock("make clean", async () => {
    await stopCluster(paths);
    const folders = all
      ? [paths.cluster, `${paths.root}/pulumi`, paths.bin, paths.builds, paths.images]
      : [paths.cluster, paths.pulumiState, paths.pulumiStacks];
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });
  console.log(
    all
      ? `Cluster: gone, with all that was built into ${paths.root}`
      : "Cluster: gone, with its data; what was built stays (clean ALL=1 removes it too)",
  );
}
