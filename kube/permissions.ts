/** One thing the program does: verbs on resources of one API group. */
export interface Permission {
  readonly group: string;
  /** `resource` or `resource/subresource`. */
  readonly resource: string;
  readonly verbs: readonly string[];
}

/** The ClusterRole of local/manifests/program.yaml that the program binds to itself in its namespaces. */
export const namespaceRole = "stateful-cd-namespace";

const look = ["get", "list", "watch"] as const;
const own = ["create", "patch", "update", "delete", ...look] as const;
const snapshots = "snapshot.storage.k8s.io";

const on = (
  group: string,
  resources: readonly string[],
  verbs: readonly string[],
): readonly Permission[] => resources.map((resource) => ({ group, resource, verbs }));

/** Needed in the cluster as a whole. Says the same as the ClusterRole `stateful-cd`. */
export const clusterPermissions: readonly Permission[] = [
  ...on("", ["namespaces"], own),
  ...on("", ["persistentvolumes"], look),
  ...on("storage.k8s.io", ["storageclasses", "csidrivers"], ["get", "list"]),
  ...on(snapshots, ["volumesnapshotclasses"], ["get", "list"]),
  ...on(snapshots, ["volumesnapshotcontents"], ["create", "patch", "delete", ...look]),
  ...on("apiextensions.k8s.io", ["customresourcedefinitions"], ["get", "list"]),
];

/** Needed to grant oneself the namespace role in a new namespace. */
export const bindingPermissions: readonly Permission[] = [
  ...on("rbac.authorization.k8s.io", ["rolebindings"], own),
];

/** Needed in each of the program's namespaces. Says the same as the ClusterRole `stateful-cd-namespace`. */
export const namespacePermissions: readonly Permission[] = [
  ...on("", ["secrets", "configmaps", "services", "persistentvolumeclaims"], own),
  ...on("", ["pods", "serviceaccounts"], look),
  ...on("", ["pods/log"], ["get"]),
  ...on("", ["pods/portforward"], ["get", "create"]),
  ...on("", ["events", "endpoints"], look),
  ...on("events.k8s.io", ["events"], look),
  ...on("discovery.k8s.io", ["endpointslices"], look),
  ...on("apps", ["deployments", "statefulsets"], own),
  ...on("apps", ["replicasets", "controllerrevisions"], look),
  ...on("batch", ["jobs"], own),
  ...on("networking.k8s.io", ["networkpolicies"], own),
  ...on(snapshots, ["volumesnapshots"], own),
];
