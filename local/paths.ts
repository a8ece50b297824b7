import { homedir } from "node:os";
import path from "node:path";
import { UserError } from "../userError";

/** The repository's root, seen from the compiled file in dist/local/. */
export const repository = path.resolve(__dirname, "..", "..");

/**
 * What lives only as long as the cluster runs. One fixed and short place: the paths of unix sockets
 * end at 108 bytes, and one machine carries one embedded cluster, since its addresses are fixed.
 */
export const runtime = {
  root: "/run/stateful-cd",
  owner: "/run/stateful-cd/owner.json",
  status: "/run/stateful-cd/status.json",
  manifestsApplied: "/run/stateful-cd/manifests-applied",
  sysctls: "/run/stateful-cd/sysctls.json",
  kubelet: "/run/stateful-cd/kubelet",
  pool: "/run/stateful-cd/pool",
  containerd: "/run/stateful-cd/containerd",
  containerdSocket: "/run/stateful-cd/containerd/containerd.sock",
  csiSocket: "/run/stateful-cd/kubelet/plugins/btrfs.local/csi.sock",
  networkNamespace: "/run/netns/stateful-cd",
  /** The machine's own network, for the one process that serves there. */
  hostNetwork: "/run/stateful-cd/host-network",
  nodePortsSocket: "/run/stateful-cd/node-ports.sock",
} as const;

/** Everything that outlives a run, below one folder outside the checkout. */
export interface CachePaths {
  readonly root: string;
  /** Programs built from Go modules, one folder a module and content key. */
  readonly builds: string;
  /** Links to the programs of the current builds: what PATH needs. */
  readonly bin: string;
  readonly images: string;
  /** The CLI with its language host and dynamic provider beside it. */
  readonly pulumiCli: string;
  readonly pulumiHome: string;
  readonly pulumiState: string;
  /** The configuration of the demo's stacks, a folder a stack. */
  readonly pulumiStacks: string;
  readonly passphrase: string;
  readonly cluster: string;
  /** The program's own restricted identity, context `stateful-cd`. */
  readonly kubeconfig: string;
  /** Everything, for people and tests: context `stateful-cd-admin`. */
  readonly adminKubeconfig: string;
  readonly kubeconfigs: string;
  readonly pki: string;
  readonly config: string;
  readonly logs: string;
  readonly etcd: string;
  readonly containerdRoot: string;
  readonly kubeletRoot: string;
  readonly podLogs: string;
  readonly poolFile: string;
}

/** `$STATEFUL_CD_CACHE`, else `$XDG_CACHE_HOME/stateful-cd`, else `~/.cache/stateful-cd`. */
export function cacheRoot(environment: NodeJS.ProcessEnv): string {
  const own = environment.STATEFUL_CD_CACHE;
  if (own !== undefined && own !== "") return plainPath(path.resolve(own));
  const shared = environment.XDG_CACHE_HOME;
  const base = shared !== undefined && shared !== "" ? shared : path.join(homedir(), ".cache");
  return plainPath(path.resolve(base, "stateful-cd"));
}

/** The path ends up in configuration files of five syntaxes, not all of which can quote. */
function plainPath(file: string): string {
  if (/^[\w./@+~-]+$/.test(file)) return file;
  throw new UserError(
    `The cache folder's path has characters that the cluster cannot work with: ${file}`,
    ["allowed: letters, digits and . / @ + ~ _ -"],
    "STATEFUL_CD_CACHE=/another/folder make up",
  );
}

export function cachePaths(root: string): CachePaths {
  const cluster = path.join(root, "cluster");
  return {
    root,
    builds: path.join(root, "builds"),
    bin: path.join(root, "bin"),
    images: path.join(root, "images"),
    pulumiCli: path.join(root, "pulumi", "cli"),
    pulumiHome: path.join(root, "pulumi", "home"),
    pulumiState: path.join(root, "pulumi", "state"),
    pulumiStacks: path.join(root, "pulumi", "stacks"),
    passphrase: path.join(root, "pulumi", "passphrase"),
    cluster,
    kubeconfig: path.join(cluster, "kubeconfig"),
    adminKubeconfig: path.join(cluster, "admin.kubeconfig"),
    kubeconfigs: path.join(cluster, "kubeconfigs"),
    pki: path.join(cluster, "pki"),
    config: path.join(cluster, "config"),
    logs: path.join(cluster, "log"),
    etcd: path.join(cluster, "etcd"),
    containerdRoot: path.join(cluster, "containerd"),
    kubeletRoot: path.join(cluster, "kubelet"),
    podLogs: path.join(cluster, "pod-log"),
    poolFile: path.join(cluster, "pool.btrfs"),
  };
}
