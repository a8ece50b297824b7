import path from "node:path";
import { addresses, apiServer, nodeName } from "./addresses";
import { keyPair } from "./certificates";
import { kubeconfigOf } from "./kubeconfig";
import { type CachePaths, runtime } from "./paths";

/** How a process shows that it serves. */
export type Probe =
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "socket"; readonly path: string };

/** One process of the cluster. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: readonly string[];
  /** Processes that must have been ready before this one is started. */
  readonly after: readonly string[];
  /** A file that must exist before it is started: the sign that what it needs was applied. */
  readonly afterFile?: string;
  readonly ready: Probe;
  /** How far it lets others go first where the machine is busy, 1 to 19; without it, not at all. */
  readonly niceness?: number;
}

/**
 * Of the control plane, which elsewhere has machines of its own, and of the kubelet: beside them at equal
 * terms, pods and the kernel's threads that write their volumes wait whenever objects change.
 */
const niceness = 10;

const http = (url: string): Probe => ({ kind: "http", url });
const socket = (file: string): Probe => ({ kind: "socket", path: file });

/** Forwards 127.0.0.1:PORT of the machine, so it runs in the machine's network, unlike the others. */
function nodePorts(paths: CachePaths): ProcessSpec {
  const program = path.join(__dirname, "nodePorts.js");
  return {
    name: "node-ports",
    after: ["kube-apiserver"],
    afterFile: runtime.manifestsApplied,
    ready: socket(runtime.nodePortsSocket),
    command: [
      ...["nsenter", `--net=${runtime.hostNetwork}`, process.execPath],
      ...[program, paths.pki, runtime.nodePortsSocket],
    ],
  };
}

/** The cluster's processes in the order they start; they stop in the reverse order. */
export function processSpecs(paths: CachePaths): readonly ProcessSpec[] {
  return [...controlPlane(paths), ...node(paths), ...storage(paths), nodePorts(paths)];
}

const tls = (paths: CachePaths, name: string, flags: readonly [string, string]) => {
  const pair = keyPair(paths.pki, name);
  return [`--${flags[0]}=${pair.certificate}`, `--${flags[1]}=${pair.key}`];
};

function controlPlane(paths: CachePaths): ProcessSpec[] {
  const program = (name: string) => path.join(paths.bin, name);
  const etcdAuthority = keyPair(paths.pki, "etcd-ca").certificate;
  const authority = keyPair(paths.pki, "cluster-ca").certificate;
  const serving: readonly [string, string] = ["tls-cert-file", "tls-private-key-file"];
  const controller = kubeconfigOf(paths, "controller-manager");
  const scheduler = kubeconfigOf(paths, "scheduler");
  return [
    {
      name: "etcd",
      after: [],
      ready: http("http://127.0.0.1:2381/health"),
      niceness,
      command: [
        program("etcd"),
        `--data-dir=${paths.etcd}`,
        "--listen-client-urls=https://127.0.0.1:2379",
        "--advertise-client-urls=https://127.0.0.1:2379",
        "--listen-peer-urls=https://127.0.0.1:2380",
        "--listen-metrics-urls=http://127.0.0.1:2381",
        "--client-cert-auth",
        "--peer-client-cert-auth",
        `--trusted-ca-file=${etcdAuthority}`,
        `--peer-trusted-ca-file=${etcdAuthority}`,
        ...tls(paths, "etcd", ["cert-file", "key-file"]),
        ...tls(paths, "etcd", ["peer-cert-file", "peer-key-file"]),
      ],
    },
    {
      name: "kube-apiserver",
      after: ["etcd"],
      ready: http(`${apiServer}/readyz`),
      niceness,
      command: [
        program("kube-apiserver"),
        "--etcd-servers=https://127.0.0.1:2379",
        `--etcd-cafile=${etcdAuthority}`,
        ...tls(paths, "etcd-client", ["etcd-certfile", "etcd-keyfile"]),
        `--bind-address=${addresses.node}`,
        `--advertise-address=${addresses.node}`,
        "--secure-port=6443",
        ...tls(paths, "apiserver", serving),
        `--client-ca-file=${authority}`,
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs",
        "--allow-privileged=false",
        "--profiling=false",
        `--kubelet-certificate-authority=${authority}`,
        ...tls(paths, "apiserver-to-kubelet", ["kubelet-client-certificate", "kubelet-client-key"]),
        "--kubelet-preferred-address-types=InternalIP",
        `--service-account-key-file=${path.join(paths.pki, "sa.pub")}`,
        `--service-account-signing-key-file=${path.join(paths.pki, "sa.key")}`,
        "--service-account-issuer=https://kubernetes.default.svc",
        `--service-cluster-ip-range=${addresses.services}`,
      ],
    },
    {
      name: "kube-controller-manager",
      after: ["kube-apiserver"],
      ready: http("https://127.0.0.1:10257/healthz"),
      niceness,
      command: [
        program("kube-controller-manager"),
        `--kubeconfig=${controller}`,
        `--authentication-kubeconfig=${controller}`,
        `--authorization-kubeconfig=${controller}`,
        "--bind-address=127.0.0.1",
        ...tls(paths, "control", serving),
        `--service-account-private-key-file=${path.join(paths.pki, "sa.key")}`,
        `--root-ca-file=${authority}`,
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--profiling=false",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
      ],
    },
    {
      name: "kube-scheduler",
      after: ["kube-apiserver"],
      ready: http("https://127.0.0.1:10259/healthz"),
      niceness,
      command: [
        program("kube-scheduler"),
        `--kubeconfig=${scheduler}`,
        `--authentication-kubeconfig=${scheduler}`,
        `--authorization-kubeconfig=${scheduler}`,
        "--bind-address=127.0.0.1",
        ...tls(paths, "control", serving),
        "--leader-elect=false",
        "--profiling=false",
      ],
    },
    {
      name: "coredns",
      after: ["kube-apiserver"],
      afterFile: runtime.manifestsApplied,
      ready: http("http://127.0.0.1:8181/ready"),
      command: [program("coredns"), "-conf", path.join(paths.config, "Corefile")],
    },
  ];
}

function node(paths: CachePaths): ProcessSpec[] {
  const program = (name: string) => path.join(paths.bin, name);
  return [
    {
      name: "containerd",
      after: [],
      ready: socket(runtime.containerdSocket),
      command: ["containerd", "--config", path.join(paths.config, "containerd.toml")],
    },
    {
      name: "kubelet",
      after: ["containerd", "kube-apiserver"],
      ready: http("http://127.0.0.1:10248/healthz"),
      niceness,
      command: [
        program("kubelet"),
        `--config=${path.join(paths.config, "kubelet.yaml")}`,
        `--kubeconfig=${kubeconfigOf(paths, "kubelet")}`,
        `--root-dir=${runtime.kubelet}`,
        `--cert-dir=${path.join(paths.kubeletRoot, "pki")}`,
        `--hostname-override=${nodeName}`,
        `--node-ip=${addresses.node}`,
      ],
    },
    {
      name: "kube-proxy",
      after: ["kube-apiserver"],
      ready: http("http://127.0.0.1:10256/livez"),
      command: [
        program("kube-proxy"),
        `--kubeconfig=${kubeconfigOf(paths, "proxy")}`,
        `--hostname-override=${nodeName}`,
        "--proxy-mode=iptables",
        `--cluster-cidr=${addresses.pods}`,
        "--healthz-bind-address=127.0.0.1:10256",
        "--metrics-bind-address=127.0.0.1:10249",
        // These limits belong to the machine, and many virtual machines refuse the change.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--oom-score-adj=0",
      ],
    },
  ];
}

function storage(paths: CachePaths): ProcessSpec[] {
  const program = (name: string) => path.join(paths.bin, name);
  // The usual 5 requests a second make twenty claims take 40 s instead of 7.
  const brisk = ["--kube-api-qps=100", "--kube-api-burst=200"];
  const ungrouped = "--feature-gates=CSIVolumeGroupSnapshot=false";
  return [
    {
      name: "csi-btrfs",
      after: [],
      ready: socket(runtime.csiSocket),
      command: [
        program("csi-btrfs"),
        `-pool=${runtime.pool}`,
        `-node=${nodeName}`,
        `-endpoint=${runtime.csiSocket}`,
        `-registration=${runtime.kubelet}/plugins_registry/btrfs.local-reg.sock`,
      ],
    },
    {
      name: "csi-provisioner",
      after: ["kube-apiserver", "csi-btrfs"],
      afterFile: runtime.manifestsApplied,
      ready: http("http://127.0.0.1:9001/metrics"),
      command: [
        program("csi-provisioner"),
        `--csi-address=${runtime.csiSocket}`,
        `--kubeconfig=${kubeconfigOf(paths, "csi-provisioner")}`,
        "--http-endpoint=127.0.0.1:9001",
        // Without the sweep a finalizer holds a namespace for minutes after its snapshots.
        "--snapshot-orphan-sweep-interval=15s",
        ...brisk,
      ],
    },
    {
      name: "csi-snapshotter",
      after: ["kube-apiserver", "csi-btrfs"],
      afterFile: runtime.manifestsApplied,
      ready: http("http://127.0.0.1:9002/metrics"),
      command: [
        program("csi-snapshotter"),
        `--csi-address=${runtime.csiSocket}`,
        `--kubeconfig=${kubeconfigOf(paths, "csi-snapshotter")}`,
        "--http-endpoint=127.0.0.1:9002",
        ungrouped,
        ...brisk,
      ],
    },
    {
      name: "snapshot-controller",
      after: ["kube-apiserver"],
      afterFile: runtime.manifestsApplied,
      ready: http("http://127.0.0.1:9003/metrics"),
      command: [
        program("snapshot-controller"),
        `--kubeconfig=${kubeconfigOf(paths, "snapshot-controller")}`,
        "--http-endpoint=127.0.0.1:9003",
        ungrouped,
        ...brisk,
      ],
    },
  ];
}
