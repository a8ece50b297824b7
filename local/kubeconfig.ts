import { readFile } from "node:fs/promises";
import path from "node:path";
import { stringify } from "yaml";
import { apiServer } from "./addresses";
import { readIfPresent, writeAtomically } from "./atomicFile";
import { keyPair } from "./certificates";
import { type CachePaths } from "./paths";

/** The processes that speak to the API server, by the name of their certificate. */
export const kubeconfigUsers = [
  "kubelet",
  "controller-manager",
  "scheduler",
  "proxy",
  "coredns",
  "snapshot-controller",
  "csi-snapshotter",
  "csi-provisioner",
] as const;

/** Where the kubeconfig of one of the cluster's own processes lies. */
export function kubeconfigOf(paths: CachePaths, user: (typeof kubeconfigUsers)[number]): string {
  return path.join(paths.kubeconfigs, user);
}

/** Writes every kubeconfig: the processes', the program's and the administrator's. */
export async function writeKubeconfigs(paths: CachePaths): Promise<void> {
  for (const user of kubeconfigUsers) {
    await writeKubeconfig(paths.pki, kubeconfigOf(paths, user), user, "stateful-cd");
  }
  await writeKubeconfig(paths.pki, paths.kubeconfig, "program", "stateful-cd");
  await writeKubeconfig(paths.pki, paths.adminKubeconfig, "admin", "stateful-cd-admin");
}

async function writeKubeconfig(
  pki: string,
  file: string,
  certificate: string,
  context: string,
): Promise<void> {
  const pair = keyPair(pki, certificate);
  const encoded = async (name: string) => (await readFile(name)).toString("base64");
  const text = stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          // Its own name in each file: not every client merges files that share one.
          name: context,
          cluster: {
            server: apiServer,
            "certificate-authority-data": await encoded(keyPair(pki, "cluster-ca").certificate),
          },
        },
      ],
      users: [
        {
          name: context,
          user: {
            "client-certificate-data": await encoded(pair.certificate),
            "client-key-data": await encoded(pair.key),
          },
        },
      ],
      contexts: [{ name: context, context: { cluster: context, user: context } }],
      "current-context": context,
    },
    { lineWidth: 0 },
  );
  // Left alone when nothing changed: whoever watches the file is not woken for nothing.
  if ((await readIfPresent(file)) !== text) await writeAtomically(file, text, 0o600);
}
