import path from "node:path";
import { stringify } from "yaml";
import { addresses } from "./addresses";
import { writeAtomically } from "./atomicFile";
import { keyPair } from "./certificates";
import { kubeconfigOf } from "./kubeconfig";
import { type CachePaths, runtime } from "./paths";

export const pauseImage = "localhost/pause:1";
/** Every pod's cgroup lies below this one, so that `make down` finds them all and only them. */
export const cgroupRoot = "/stateful-cd";

/** The configuration files, by name: pure, so that a change of any shows in the cluster's plan. */
export function configFiles(paths: CachePaths): Readonly<Record<string, string>> {
  return {
    "containerd.toml": containerdConfig(paths),
    "cni/10-pods.conflist": cniConfig(),
    "kubelet.yaml": kubeletConfig(paths),
    Corefile: corefile(paths),
    "resolv.conf": "",
  };
}

export async function writeConfigFiles(paths: CachePaths): Promise<void> {
  for (const [name, text] of Object.entries(configFiles(paths))) {
    await writeAtomically(path.join(paths.config, name), text);
  }
}

function containerdConfig(paths: CachePaths): string {
  return `version = 2
root = "${paths.containerdRoot}"
state = "${runtime.containerd}"
# They would make folders elsewhere on the machine, or look for hardware that is not used.
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "${runtime.containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # Lowering oom_score_adj needs CAP_SYS_RESOURCE, which many virtual machines do not give.
  restrict_oom_score_adj = true
  # With the rest of the state, so that nothing of ours is left in /run/netns.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${path.join(paths.config, "cni")}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
`;
}

/** Point to point instead of a bridge: all traffic is routed, so Service addresses work between neighbours too. */
function cniConfig(): string {
  return JSON.stringify(
    {
      cniVersion: "0.4.0",
      name: "stateful-cd",
      plugins: [
        {
          type: "ptp",
          ipMasq: false,
          ipam: {
            type: "host-local",
            dataDir: path.join(runtime.root, "addresses"),
            ranges: [[{ subnet: addresses.pods }]],
            routes: [{ dst: "0.0.0.0/0" }],
          },
        },
      ],
    },
    undefined,
    2,
  );
}

function kubeletConfig(paths: CachePaths): string {
  const serving = keyPair(paths.pki, "kubelet-server");
  return stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: addresses.node,
    healthzBindAddress: "127.0.0.1",
    tlsCertFile: serving.certificate,
    tlsPrivateKeyFile: serving.key,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: keyPair(paths.pki, "cluster-ca").certificate },
    },
    authorization: { mode: "Webhook" },
    cgroupDriver: "cgroupfs",
    cgroupRoot,
    failSwapOn: false,
    failCgroupV1: false,
    // Forgives what a virtual machine without CAP_SYS_RESOURCE or writable sysctls refuses.
    featureGates: { KubeletInUserNamespace: true },
    clusterDNS: [addresses.dnsService],
    clusterDomain: "cluster.local",
    // The machine's own search domains have no business in pods.
    resolvConf: path.join(paths.config, "resolv.conf"),
    containerRuntimeEndpoint: `unix://${runtime.containerdSocket}`,
    podLogsDir: paths.podLogs,
    volumePluginDir: path.join(runtime.kubelet, "volume-plugins"),
    // At the usual 85 % of the disk the kubelet deletes images that nobody can pull again.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "1%",
      "imagefs.available": "1%",
    },
  });
}

function corefile(paths: CachePaths): string {
  return `.:53 {
  bind ${addresses.node}
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfigOf(paths, "coredns")} stateful-cd
    ttl 5
  }
}
`;
}
