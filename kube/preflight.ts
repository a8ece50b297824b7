import {
  ApiException,
  CustomObjectsApi,
  StorageV1Api,
  VersionApi,
  type KubeConfig,
  type V1StorageClass,
} from "./clusterClient";
import { UserError } from "../userError";
import { findMissingPermissions } from "./accessReview";
import { describeApiError } from "./apiError";
import { limitedClient } from "./timeLimit";

const snapshotGroup = "snapshot.storage.k8s.io";
const defaultClass = "storageclass.kubernetes.io/is-default-class";

export interface InspectionOptions {
  /** Name of the StorageClass; the cluster's default one where undefined. */
  readonly storageClass?: string;
  /** Name of the VolumeSnapshotClass; the first of the StorageClass's driver where undefined. */
  readonly snapshotClass?: string;
  /** A namespace the program will use; it need not exist. */
  readonly namespace: string;
  /**
   * false leaves to `make check` what a cluster is asked once: a hundred questions about permissions,
   * which take two seconds, and what only clones need of its storage.
   */
  readonly permissions?: boolean;
}

/** What the program will work with on a cluster that has everything it needs. */
export interface ClusterFacts {
  readonly serverVersion: string;
  readonly storageClass: string;
  readonly provisioner: string;
  readonly snapshotClass: string;
  /** The two classes, as far as they keep in the storage what is deleted (Retain). */
  readonly keeping: readonly string[];
}

/**
 * Looks at a cluster and changes nothing. Each request has 5 seconds.
 * @throws UserError naming everything that is missing: an answer, permissions, the StorageClass, the
 *   snapshot CRDs, a VolumeSnapshotClass of the StorageClass's driver; for `make check` also classes
 *   that delete, and a driver that knows ReadWriteOncePod
 */
export async function inspectCluster(
  kubeConfig: KubeConfig,
  options: InspectionOptions,
): Promise<ClusterFacts> {
  // Asked at once: every command of Pulumi waits for the answers.
  const [serverVersion, storage, classes] = await Promise.all([
    askVersion(kubeConfig),
    findStorageClass(kubeConfig, options.storageClass),
    listSnapshotClasses(kubeConfig),
  ]);
  const snapshots = chooseSnapshotClass(classes, storage.found?.provisioner, options.snapshotClass);
  const keeping = keepingOf(storage.found, snapshots.found);
  const isCheck = options.permissions !== false;
  const permissions = isCheck ? await findMissingPermissions(kubeConfig, options.namespace) : [];
  const forClones = isCheck ? await gapsForClones(kubeConfig, storage.found, keeping) : [];
  const gaps = [...permissions, ...storage.gaps, ...snapshots.gaps, ...forClones];
  if (gaps.length > 0 || storage.found === undefined || snapshots.found === undefined) {
    throw new UserError(
      `The cluster of context ${kubeConfig.getCurrentContext()} lacks what the program needs.`,
      gaps,
      permissions.length > 0
        ? "as its administrator: read local/manifests/program.yaml, adapt and apply it; then: make check"
        : "mend that as its administrator, then: make check",
    );
  }
  return {
    serverVersion,
    storageClass: storage.found.metadata?.name ?? "",
    provisioner: storage.found.provisioner,
    snapshotClass: snapshots.found.name,
    keeping,
  };
}

function keepingOf(
  storage: V1StorageClass | undefined,
  snapshots: SnapshotClass | undefined,
): string[] {
  return [
    ...(storage?.reclaimPolicy === "Retain"
      ? [`StorageClass ${storage.metadata?.name ?? ""}`]
      : []),
    ...(snapshots?.deletionPolicy === "Retain" ? [`VolumeSnapshotClass ${snapshots.name}`] : []),
  ];
}

/** Raw data must not outlive a clone, and no second pod may mount a server's volume. */
async function gapsForClones(
  kubeConfig: KubeConfig,
  storage: V1StorageClass | undefined,
  keeping: readonly string[],
): Promise<string[]> {
  const gaps = keeping.map((name) => `${name} keeps what is deleted (Retain); clones need Delete`);
  if (storage === undefined) return gaps;
  const driver = storage.provisioner;
  try {
    await limitedClient(kubeConfig, StorageV1Api).readCSIDriver({ name: driver });
    return gaps;
  } catch (error) {
    const isAbsent = error instanceof ApiException && error.code === 404;
    const why = isAbsent
      ? `there is no CSIDriver ${driver}, and no other kind knows ReadWriteOncePod`
      : `CSIDriver ${driver} cannot be read: ${describeApiError(error)}`;
    return [...gaps, why];
  }
}

/** What was looked for, or why it is not there. */
interface Finding<T> {
  readonly found: T | undefined;
  readonly gaps: readonly string[];
}

const found = <T>(value: T): Finding<T> => ({ found: value, gaps: [] });
const gap = <T>(text: string): Finding<T> => ({ found: undefined, gaps: [text] });

async function askVersion(kubeConfig: KubeConfig): Promise<string> {
  try {
    return (await limitedClient(kubeConfig, VersionApi).getCode()).gitVersion;
  } catch (error) {
    throw new UserError(
      `The cluster of context ${kubeConfig.getCurrentContext()} does not answer.`,
      [
        `address: ${kubeConfig.getCurrentCluster()?.server ?? "none in the kubeconfig"}`,
        `cause: ${describeApiError(error)}`,
      ],
      "make up for the embedded cluster; for one of your own: kubectl cluster-info",
    );
  }
}

async function findStorageClass(
  kubeConfig: KubeConfig,
  name: string | undefined,
): Promise<Finding<V1StorageClass>> {
  let classes: V1StorageClass[];
  try {
    classes = (await limitedClient(kubeConfig, StorageV1Api).listStorageClass({})).items;
  } catch (error) {
    return gap(`StorageClasses cannot be listed: ${describeApiError(error)}`);
  }
  const names = classes.map((item) => item.metadata?.name).join(", ");
  const here = `it has: ${names === "" ? "none" : names}`;
  const match = classes.find((item) =>
    name === undefined
      ? item.metadata?.annotations?.[defaultClass] === "true"
      : item.metadata?.name === name,
  );
  if (match !== undefined) return found(match);
  return gap(
    name === undefined ? `no default StorageClass; ${here}` : `no StorageClass ${name}; ${here}`,
  );
}

async function listSnapshotClasses(kubeConfig: KubeConfig): Promise<Finding<SnapshotClass[]>> {
  try {
    const api = limitedClient(kubeConfig, CustomObjectsApi);
    const listed: unknown = await api.listClusterCustomObject({
      group: snapshotGroup,
      version: "v1",
      plural: "volumesnapshotclasses",
    });
    return found(readSnapshotClasses(listed));
  } catch (error) {
    return gap(
      error instanceof ApiException && error.code === 404
        ? `no snapshot CRDs: ${snapshotGroup}/v1 is not served (local/manifests/crds/ and a snapshot controller)`
        : `VolumeSnapshotClasses cannot be listed: ${describeApiError(error)}`,
    );
  }
}

function chooseSnapshotClass(
  classes: Finding<readonly SnapshotClass[]>,
  driver: string | undefined,
  name: string | undefined,
): Finding<SnapshotClass> {
  if (classes.found === undefined) return { found: undefined, gaps: classes.gaps };
  if (driver === undefined) return { found: undefined, gaps: [] };
  const listed = classes.found.map((item) => `${item.name} of ${item.driver}`).join(", ");
  const match = classes.found.find(
    (item) => item.driver === driver && (name === undefined || item.name === name),
  );
  if (match !== undefined) return found(match);
  const wanted = name === undefined ? "VolumeSnapshotClass" : `VolumeSnapshotClass ${name}`;
  return gap(`no ${wanted} of the StorageClass's driver ${driver}; it has: ${listed || "none"}`);
}

interface SnapshotClass {
  readonly name: string;
  readonly driver: string;
  readonly deletionPolicy: string;
}

function readSnapshotClasses(listed: unknown): SnapshotClass[] {
  const { items } = listed as { items: (SnapshotClass & { metadata: { name: string } })[] };
  return items.map(({ metadata, driver, deletionPolicy }) => ({
    name: metadata.name,
    driver,
    deletionPolicy,
  }));
}
