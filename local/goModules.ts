import { type CachePaths } from "./paths";

/** One Go module of ours that pins versions, and what is built from it. */
export interface GoModule {
  readonly name: string;
  /** Its folder below local/. Several modules, because their dependencies' versions clash. */
  readonly folder: string;
  readonly packages: readonly string[];
  /** The programs that `go build` makes of the packages. */
  readonly programs: readonly string[];
  /** `-X` settings of the linker: versions that the sources leave open. */
  readonly versions: Readonly<Record<string, string>>;
  /** Measured on 2 cores with empty caches: the base of every estimate. */
  readonly referenceSeconds: { readonly download: number; readonly build: number };
}

const kubernetes = "v1.35.4";
const pulumi = "3.230.0";
const pluginVersions = { kubernetes: "4.25.0", postgresql: "3.18.1" } as const;

/** What the embedded cluster consists of, in the order it is built. */
export const clusterModules: readonly GoModule[] = [
  {
    name: "etcd",
    folder: "toolchain/etcd",
    packages: ["go.etcd.io/etcd/server/v3"],
    programs: ["etcd"],
    versions: {},
    referenceSeconds: { download: 5, build: 116 },
  },
  {
    name: "kubernetes",
    folder: "toolchain/kubernetes",
    packages: [
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kubelet",
      "kube-proxy",
    ].map((program) => `k8s.io/kubernetes/cmd/${program}`),
    programs: [
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kubelet",
      "kube-proxy",
    ],
    // Without a version Kubernetes calls itself v0.0.0 and every comparison of versions fails.
    versions: {
      "k8s.io/component-base/version.gitVersion": kubernetes,
      "k8s.io/component-base/version.gitMajor": "1",
      "k8s.io/component-base/version.gitMinor": "35",
    },
    referenceSeconds: { download: 15, build: 514 },
  },
  {
    name: "csi-btrfs",
    folder: "csi-btrfs",
    packages: ["."],
    programs: ["csi-btrfs"],
    versions: {},
    referenceSeconds: { download: 2, build: 13 },
  },
  {
    name: "csi-sanity",
    folder: "toolchain/csi-sanity",
    packages: ["github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"],
    programs: ["csi-sanity"],
    versions: {},
    referenceSeconds: { download: 2, build: 35 },
  },
  {
    name: "external-snapshotter",
    folder: "toolchain/external-snapshotter",
    packages: ["snapshot-controller", "csi-snapshotter"].map(
      (program) => `github.com/kubernetes-csi/external-snapshotter/v8/cmd/${program}`,
    ),
    programs: ["snapshot-controller", "csi-snapshotter"],
    versions: {},
    referenceSeconds: { download: 3, build: 257 },
  },
  {
    name: "external-provisioner",
    folder: "toolchain/external-provisioner",
    packages: ["github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"],
    programs: ["csi-provisioner"],
    versions: {},
    referenceSeconds: { download: 3, build: 172 },
  },
  {
    name: "coredns",
    folder: "toolchain/coredns",
    packages: ["github.com/coredns/coredns"],
    programs: ["coredns"],
    versions: {},
    referenceSeconds: { download: 5, build: 116 },
  },
];

/** The Pulumi CLI, its language host and both plugins: not built where `pulumi` is on PATH already. */
export const pulumiModules: readonly GoModule[] = [
  {
    name: "pulumi-language-nodejs",
    folder: "toolchain/pulumi-language-nodejs",
    packages: ["github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"],
    programs: ["pulumi-language-nodejs"],
    versions: {},
    referenceSeconds: { download: 3, build: 20 },
  },
  {
    // One module for the three, so that the packages they share compile once.
    name: "pulumi",
    folder: "toolchain/pulumi",
    packages: [
      "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
      "./pulumi-resource-kubernetes",
      "./pulumi-resource-postgresql",
    ],
    programs: ["pulumi", "pulumi-resource-kubernetes", "pulumi-resource-postgresql"],
    versions: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": pulumi },
    referenceSeconds: { download: 328, build: 720 },
  },
];

/** Where Pulumi looks for a plugin: `plugins/resource-NAME-vVERSION/pulumi-resource-NAME`. */
export function pluginLinks(paths: CachePaths): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(pluginVersions).map(([name, version]) => [
      `${paths.pulumiHome}/plugins/resource-${name}-v${version}/pulumi-resource-${name}`,
      `pulumi-resource-${name}`,
    ]),
  );
}
