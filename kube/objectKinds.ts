/** Time as the API server writes it, or as the client library reads it. */
export type Time = string | Date;

export interface Metadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Counts the changes of what is wanted. */
  readonly generation?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: Time;
  readonly deletionTimestamp?: Time;
  readonly finalizers?: readonly string[];
}

interface ClusterObject {
  readonly metadata?: Metadata;
}

interface Problem {
  readonly error?: { readonly message?: string };
}

/** What of each kind this program looks at or writes; the objects have more. */
export interface Shapes {
  Namespace: ClusterObject;
  ServiceAccount: ClusterObject;
  Service: ClusterObject;
  NetworkPolicy: ClusterObject & { readonly spec: object };
  RoleBinding: ClusterObject & { readonly roleRef: object; readonly subjects: readonly object[] };
  /** Values in base64. */
  Secret: ClusterObject & { readonly data?: Readonly<Record<string, string>> };
  Job: ClusterObject & { readonly spec: object };
  Pod: ClusterObject & { readonly status?: PodStatus };
  StatefulSet: ClusterObject & {
    readonly spec?: {
      readonly replicas?: number;
      readonly template?: { readonly metadata?: Metadata };
    };
    readonly status?: {
      readonly observedGeneration?: number;
      readonly readyReplicas?: number;
      readonly updatedReplicas?: number;
    };
  };
  Event: ClusterObject & {
    readonly type?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly involvedObject?: { readonly kind?: string; readonly name?: string };
    /** When it was seen last; a reporter of the newer API gives only when it was seen first. */
    readonly lastTimestamp?: Time;
    readonly eventTime?: Time;
  };
  PersistentVolumeClaim: ClusterObject & {
    readonly spec: {
      readonly accessModes?: readonly string[];
      readonly storageClassName?: string;
      readonly volumeName?: string;
      readonly dataSource?: object;
      readonly resources?: { readonly requests?: Readonly<Record<string, string>> };
    };
    readonly status?: {
      readonly phase?: string;
      readonly capacity?: Readonly<Record<string, string>>;
    };
  };
  PersistentVolume: ClusterObject & {
    readonly spec?: { readonly claimRef?: { readonly namespace?: string; readonly name?: string } };
  };
  VolumeSnapshot: ClusterObject & {
    readonly spec: {
      readonly volumeSnapshotClassName?: string;
      readonly source: {
        readonly persistentVolumeClaimName?: string;
        readonly volumeSnapshotContentName?: string;
      };
    };
    readonly status?: Problem & {
      readonly readyToUse?: boolean;
      readonly boundVolumeSnapshotContentName?: string;
    };
  };
  VolumeSnapshotContent: ClusterObject & {
    readonly spec: {
      readonly deletionPolicy: "Delete" | "Retain";
      readonly driver: string;
      readonly source: { readonly snapshotHandle?: string };
      readonly volumeSnapshotClassName?: string;
      readonly volumeSnapshotRef: {
        readonly namespace?: string;
        readonly name?: string;
        readonly uid?: string;
      };
    };
    /** The sizes are bytes. */
    readonly status?: Problem & {
      readonly readyToUse?: boolean;
      readonly snapshotHandle?: string;
      readonly restoreSize?: number;
    };
  };
}

interface PodStatus {
  readonly phase?: string;
  readonly conditions?: readonly {
    readonly type?: string;
    readonly status?: string;
    readonly reason?: string;
    readonly message?: string;
  }[];
  readonly containerStatuses?: readonly {
    readonly state?: {
      readonly waiting?: { readonly reason?: string; readonly message?: string };
      readonly terminated?: { readonly exitCode?: number; readonly message?: string };
    };
  }[];
}

export type Kind = keyof Shapes;

const snapshots = "snapshot.storage.k8s.io/v1";

/** Where the API server serves each kind. */
export const kinds: Readonly<Record<Kind, { apiVersion: string; plural: string }>> = {
  Namespace: { apiVersion: "v1", plural: "namespaces" },
  Service: { apiVersion: "v1", plural: "services" },
  ServiceAccount: { apiVersion: "v1", plural: "serviceaccounts" },
  NetworkPolicy: { apiVersion: "networking.k8s.io/v1", plural: "networkpolicies" },
  RoleBinding: { apiVersion: "rbac.authorization.k8s.io/v1", plural: "rolebindings" },
  Secret: { apiVersion: "v1", plural: "secrets" },
  Job: { apiVersion: "batch/v1", plural: "jobs" },
  Pod: { apiVersion: "v1", plural: "pods" },
  StatefulSet: { apiVersion: "apps/v1", plural: "statefulsets" },
  Event: { apiVersion: "v1", plural: "events" },
  PersistentVolumeClaim: { apiVersion: "v1", plural: "persistentvolumeclaims" },
  PersistentVolume: { apiVersion: "v1", plural: "persistentvolumes" },
  VolumeSnapshot: { apiVersion: snapshots, plural: "volumesnapshots" },
  VolumeSnapshotContent: { apiVersion: snapshots, plural: "volumesnapshotcontents" },
};
