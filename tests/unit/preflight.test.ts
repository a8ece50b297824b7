import { strict as assert } from "node:assert";
import { loadCluster } from "../../kube/client";
import { inspectCluster } from "../../kube/preflight";
import { type Answer, type FakeCluster, startFakeCluster } from "../fakeCluster";

type Answers = Readonly<Record<string, Answer>>;

const storageApi = "GET /apis/storage.k8s.io/v1";
const snapshotClasses = "GET /apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses";
const storageClass = {
  metadata: {
    name: "fast",
    annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
  },
  provisioner: "disk.example",
};
const snapshotClass = {
  metadata: { name: "instant" },
  driver: "disk.example",
  deletionPolicy: "Delete",
};
const list = (...items: object[]): Answer => [200, { items }];
const absent: Answer = [404, { message: "the server could not find the requested resource" }];
const whole: Answers = {
  "GET /version": [200, { gitVersion: "v1.35.0" }],
  [`${storageApi}/storageclasses`]: list(storageClass),
  [`${storageApi}/csidrivers/disk.example`]: [200, {}],
  [snapshotClasses]: list(snapshotClass),
};

describe("make check", () => {
  let cluster: FakeCluster | undefined;
  afterEach(() => cluster?.end());

  /** Inspects a cluster that has everything but this, for somebody who may do all but `forbidden`. */
  async function inspect(
    changes: Answers = {},
    options: Partial<Parameters<typeof inspectCluster>[1]> = {},
    forbidden = /^$/,
  ) {
    cluster = await startFakeCluster((request, { body }) =>
      request.endsWith("/selfsubjectaccessreviews")
        ? [201, { status: { allowed: !forbidden.test(body) } }]
        : { ...whole, ...changes }[request],
    );
    const { kubeConfig } = loadCluster(cluster.context);
    return inspectCluster(kubeConfig, { namespace: "shop-check", ...options });
  }

  /** What it says of such a cluster, less which one it is. */
  async function lacks(...of: Parameters<typeof inspect>): Promise<string[]> {
    try {
      await inspect(...of);
    } catch (error) {
      const [problem, ...details] = (error as Error).message.split("\n  ");
      assert.equal(
        problem,
        `The cluster of context ${cluster?.context ?? ""} lacks what the program needs.`,
      );
      return details;
    }
    return assert.fail("it lacks nothing");
  }

  const next = "Next: mend that as its administrator, then: make check";

  it("tells what the program will work with", async () => {
    assert.deepEqual(await inspect(), {
      serverVersion: "v1.35.0",
      storageClass: "fast",
      provisioner: "disk.example",
      snapshotClass: "instant",
      keeping: [],
    });
  });

  it("names the snapshot CRDs where they are missing", async () => {
    assert.deepEqual(await lacks({ [snapshotClasses]: absent }), [
      "no snapshot CRDs: snapshot.storage.k8s.io/v1 is not served (local/manifests/crds/ and a snapshot controller)",
      next,
    ]);
  });

  it("names the driver that has no VolumeSnapshotClass, and those there are", async () => {
    const other = { ...snapshotClass, driver: "tape.example" };
    assert.deepEqual(await lacks({ [snapshotClasses]: list(other) }), [
      "no VolumeSnapshotClass of the StorageClass's driver disk.example; it has: instant of tape.example",
      next,
    ]);
    await cluster?.end();
    assert.deepEqual(await lacks({}, { snapshotClass: "slow" }), [
      "no VolumeSnapshotClass slow of the StorageClass's driver disk.example; it has: instant of disk.example",
      next,
    ]);
  });

  it("names a StorageClass that is missing, and a default one", async () => {
    const { metadata, ...rest } = storageClass;
    const notDefault = { ...rest, metadata: { name: metadata.name } };
    assert.deepEqual(await lacks({ [`${storageApi}/storageclasses`]: list(notDefault) }), [
      "no default StorageClass; it has: fast",
      next,
    ]);
    await cluster?.end();
    assert.deepEqual(await lacks({}, { storageClass: "slow" }), [
      "no StorageClass slow; it has: fast",
      next,
    ]);
  });

  it("names classes that keep what is deleted, and a driver that cannot know ReadWriteOncePod", async () => {
    const keeping = {
      [`${storageApi}/storageclasses`]: list({ ...storageClass, reclaimPolicy: "Retain" }),
      [`${storageApi}/csidrivers/disk.example`]: absent,
      [snapshotClasses]: list({ ...snapshotClass, deletionPolicy: "Retain" }),
    };
    assert.deepEqual(await lacks(keeping), [
      "StorageClass fast keeps what is deleted (Retain); clones need Delete",
      "VolumeSnapshotClass instant keeps what is deleted (Retain); clones need Delete",
      "there is no CSIDriver disk.example, and no other kind knows ReadWriteOncePod",
      next,
    ]);
    await cluster?.end();
    // Production may keep its volume; what clones it says so itself.
    const facts = await inspect(keeping, { permissions: false });
    assert.deepEqual(facts.keeping, ["StorageClass fast", "VolumeSnapshotClass instant"]);
  });

  it("names a permission that is missing in the cluster, and one in the namespace that cannot be granted either", async () => {
    const administrator =
      "Next: as its administrator: read local/manifests/program.yaml, adapt and apply it; then: make check";
    assert.deepEqual(await lacks({}, {}, /"persistentvolumes"/), [
      "permission missing: get, list, watch persistentvolumes",
      administrator,
    ]);
    await cluster?.end();
    const granted = await inspect({}, {}, /"statefulsets"/);
    assert.equal(granted.storageClass, "fast", "the program may bind the role that has it");
    await cluster?.end();
    const all = "create, patch, update, delete, get, list, watch";
    assert.deepEqual(await lacks({}, {}, /"(statefulsets|rolebindings)"/), [
      `permission missing: ${all} statefulsets.apps in namespace shop-check`,
      `permission missing: ${all} rolebindings.rbac.authorization.k8s.io in namespace shop-check`,
      administrator,
    ]);
  });

  it("says in one line that nobody answers, or who answers in its place", async () => {
    await assert.rejects(inspect({ "GET /version": [502, "<h1>Bad Gateway</h1>"] }), (error) => {
      assert.match(
        (error as Error).message,
        /^The cluster of context fake-\S+ does not answer\.\n {2}address: http:\S+\n {2}cause: HTTP 502 Bad Gateway: Bad Gateway\n {2}Next: make up for the embedded cluster; for one of your own: kubectl cluster-info$/,
      );
      return true;
    });
  });
});
