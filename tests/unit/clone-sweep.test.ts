import { strict as assert } from "node:assert";
import { hostname } from "node:os";
import { findLeftovers } from "../../kube/clone/leftovers";
import { findDead, newRun } from "../../kube/clone/liveness";
import { takeOver } from "../../kube/clone/quarantine";
import { deadlineIn } from "../../kube/waiting";
import { type Answer, type FakeCluster, startFakeCluster } from "../fakeCluster";

const absent: Answer = [404, { message: "not found" }];
const items = (...list: object[]): Answer => [200, { items: list }];
type Answers = Readonly<Record<string, Answer | (() => Answer)>>;

/** No system has so many processes. */
const endedHere = newRun().replace(/\/\d+\//, "/99999999/");
/** The same host's name, and a process id that nobody has here. */
const elsewhere = `${hostname()}/99999999/another-boot.4026531836/x`;

const quarantine = (run: string, alive: string) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: {
    name: "shop-q-1",
    resourceVersion: "7",
    labels: { "stateful-cd/clone": "1", "stateful-cd/part": "quarantine" },
    annotations: { "stateful-cd/run": run, "stateful-cd/alive": alive },
  },
});

describe("the run that has a quarantine", () => {
  let cluster: FakeCluster | undefined;
  afterEach(() => cluster?.end());

  /** What is found dead when the API server says these things of it, one a look. */
  async function look(runs: readonly string[], alive: (look: number) => string) {
    let looks = 0;
    const said = () => quarantine(runs[looks] ?? runs.at(-1) ?? "", alive(looks++));
    const first = said();
    cluster = await startFakeCluster((request) =>
      request === "GET /api/v1/namespaces/shop-q-1" ? [200, said()] : undefined,
    );
    return findDead(cluster.context, first, 700);
  }

  it("is alive while it says something new, though its process is not here and its clock is wrong", async () => {
    assert.equal(await look([elsewhere], (count) => `2001-01-01T00:00:0${count}.000Z`), undefined);
  });

  it("is dead once it has said nothing new for a while, though its clock is ahead", async () => {
    const dead = await look([elsewhere], () => "2101-01-01T00:00:00.000Z");
    assert.equal(dead?.metadata?.name, "shop-q-1");
    assert.equal(cluster?.asked.filter((request) => request.endsWith("/shop-q-1")).length, 3);
  });

  it("is dead at once when its process on this machine has ended", async () => {
    const dead = await look([endedHere], () => "2101-01-01T00:00:00.000Z");
    assert.equal(dead?.metadata?.name, "shop-q-1");
    assert.equal(cluster?.asked.filter((request) => request.endsWith("/shop-q-1")).length, 1);
  });

  it("is looked at again when somebody was faster to take its quarantine, and no right is spoken of", async () => {
    let isRemoved = false;
    cluster = await startFakeCluster((request) => {
      if (request.startsWith("PATCH")) {
        isRemoved = true;
        return [409, { message: "the object has been modified" }];
      }
      if (request !== "GET /api/v1/namespaces/shop-q-1") return undefined;
      return isRemoved ? absent : [200, quarantine(endedHere, "")];
    });
    const { context } = cluster;
    const clone = { context, cloneId: "1", sourceNamespace: "shop", quarantine: "shop-q-1" };
    const isLeft = await takeOver(clone, newRun(), () => assert.fail("it is dead"), deadlineIn(10));
    assert.equal(isLeft, false);
  });
});

describe("a sweep", () => {
  let cluster: FakeCluster | undefined;
  afterEach(() => cluster?.end());

  const namespace = { metadata: { name: "shop-staging" } };
  const inStaging = (group: string, plural: string) =>
    `GET /${group}/namespaces/shop-staging/${plural}`;
  const snapshotApi = "apis/snapshot.storage.k8s.io/v1";
  const contents = `GET /${snapshotApi}/volumesnapshotcontents`;
  const servers = inStaging("apis/apps/v1", "statefulsets");
  const content = {
    apiVersion: "snapshot.storage.k8s.io/v1",
    kind: "VolumeSnapshotContent",
    metadata: {
      name: "shop-q-1-masked",
      labels: { "stateful-cd/clone": "1", "stateful-cd/part": "masked" },
      annotations: {
        "stateful-cd/quarantine": "shop-q-1",
        "stateful-cd/finished": "2001-01-01T00:00:00.000Z",
      },
    },
    spec: { volumeSnapshotRef: { namespace: "shop-staging", name: "clone-1" }, source: {} },
  };

  /** What a cluster has left over that says these things; by default it is empty. */
  async function leftovers(answers: Answers, ...quarantines: object[]) {
    const empty: Answers = {
      "GET /api/v1/namespaces/shop-staging": [200, namespace],
      "GET /api/v1/namespaces/shop-q-1": absent,
      [inStaging(snapshotApi, "volumesnapshots")]: items(),
      [inStaging("api/v1", "persistentvolumeclaims")]: items(),
      [contents]: items(),
      [servers]: items(),
    };
    cluster = await startFakeCluster((request, { labels }) => {
      if (request === "GET /api/v1/namespaces")
        return labels.includes("quarantine") ? items(...quarantines) : items(namespace);
      const answer = { ...empty, ...answers }[request];
      return typeof answer === "function" ? answer() : answer;
    });
    return findLeftovers({ context: cluster.context, graceSeconds: 0 });
  }

  const changes = () => cluster?.asked.filter((request) => !request.startsWith("GET"));

  it("leaves a dead run's quarantine to whoever has taken it over since it was found", async () => {
    const dead = quarantine(endedHere, "");
    const answers: Answers = {
      "GET /api/v1/namespaces/shop-q-1": [200, dead],
      "PATCH /api/v1/namespaces/shop-q-1": [409, { message: "the object has been modified" }],
    };
    const [found, ...more] = await leftovers(answers, dead);
    assert.deepEqual(more, []);
    assert.equal(
      found?.what,
      `Namespace shop-q-1 of clone 1, whose run ${hostname()}/99999999 is dead`,
    );
    await found.remove();
    assert.deepEqual(changes(), ["PATCH /api/v1/namespaces/shop-q-1"]);
  });

  it("leaves a clone to the server that has come to run on it since it was found", async () => {
    const template = { metadata: { labels: { "stateful-cd/data-of": "1" } } };
    const running: object[] = [];
    const [found, ...more] = await leftovers({
      [contents]: items(content),
      [`${contents}/shop-q-1-masked`]: [200, content],
      [servers]: () => items(...running),
    });
    assert.deepEqual(more, []);
    assert.equal(
      found?.what,
      "VolumeSnapshotContent shop-q-1-masked, which no server in shop-staging runs on",
    );
    running.push({ metadata: { name: "database" }, spec: { template } });
    await found.remove();
    assert.deepEqual(changes(), []);
  });

  it("finds claims and imports of a clone that is gone, and removes the claims first", async () => {
    const labels = { "stateful-cd/clone": "2", "stateful-cd/part": "claim" };
    const claim = { metadata: { name: "database-2", namespace: "shop-staging", labels } };
    const claims = inStaging("api/v1", "persistentvolumeclaims");
    const [found, ...more] = await leftovers({
      [claims]: items(claim),
      [`${claims}/database-2`]: absent,
      [`${inStaging(snapshotApi, "volumesnapshots")}/clone-2`]: absent,
      [`${claims.replace("GET", "DELETE")}/database-2`]: [200, {}],
      [`${inStaging(snapshotApi, "volumesnapshots").replace("GET", "DELETE")}/clone-2`]: absent,
    });
    assert.deepEqual(more, []);
    assert.equal(
      found?.what,
      "The import and the claims of clone 2 in shop-staging, which no server in shop-staging runs on",
    );
    await found.remove();
    assert.deepEqual(changes(), [
      "DELETE /api/v1/namespaces/shop-staging/persistentvolumeclaims/database-2",
      "DELETE /apis/snapshot.storage.k8s.io/v1/namespaces/shop-staging/volumesnapshots/clone-2",
    ]);
  });
});
