import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { get } from "node:https";
import { getPriority } from "node:os";
import path from "node:path";
import {
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  Exec,
  RbacAuthorizationV1Api,
} from "../../kube/clusterClient";
import { inspectCluster } from "../../kube/preflight";
import { readClusterStatus } from "../../local/clusterStatus";
import { keyPair } from "../../local/certificates";
import { cachePaths, cacheRoot, repository } from "../../local/paths";
import { apply, eventually, identity, pod, refusal, runPod } from "../pods";

const namespace = "bookkeeper-embedded-test";
const paths = cachePaths(cacheRoot(process.env));
const program = identity("program");
const admin = identity("admin");
const core = program.makeApiClient(CoreV1Api);
const adminCore = admin.makeApiClient(CoreV1Api);

const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
const namespaceOf = (name: string, own: Record<string, string> = labels) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: own },
});
const bindingOf = (name: string, role: string, user: string, place: string) => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  metadata: { name, namespace: place },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
});
const claimOf = (name: string, dataSource?: object) => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name, namespace },
  spec: {
    accessModes: ["ReadWriteOncePod"],
    resources: { requests: { storage: "64Mi" } },
    ...(dataSource === undefined ? {} : { dataSource }),
  },
});

describe("the embedded cluster", function () {
  this.timeout(180_000);

  before(async () => {
    await removeNamespace();
    await apply(
      program,
      namespaceOf(namespace),
      bindingOf("stateful-cd", "stateful-cd-namespace", "stateful-cd", namespace),
    );
  });
  after(removeNamespace);

  async function removeNamespace() {
    if (!(await hasNamespace())) return;
    await core.deleteNamespace({ name: namespace });
    await eventually("removal of the test's namespace", 90, async () =>
      (await hasNamespace()) ? undefined : true,
    );
  }

  async function hasNamespace(): Promise<boolean> {
    const { items } = await core.listNamespace();
    return items.some((item) => item.metadata?.name === namespace);
  }

  it("has all that the program needs", async () => {
    const facts = await inspectCluster(program, { namespace });
    assert.deepEqual(facts, {
      serverVersion: "v1.35.4",
      storageClass: "btrfs",
      provisioner: "btrfs.local",
      snapshotClass: "btrfs",
      keeping: [],
    });
  });

  it("gives all pods together the weight of four processes beside them, as a node of their own would", () => {
    const weights = [
      ["/sys/fs/cgroup/cpu/stateful-cd/cpu.shares", "4096"],
      ["/sys/fs/cgroup/stateful-cd/cpu.weight", "400"],
    ] as const;
    const found = weights.filter(([file]) => existsSync(file));
    assert.equal(found.length, 1);
    for (const [file, weight] of found) assert.equal(readFileSync(file, "utf8").trim(), weight);
  });

  it("lets pods go before the control plane, which elsewhere has machines of its own", async () => {
    const status = await readClusterStatus();
    const niceness = (name: string): number =>
      getPriority(status?.processes.find((process_) => process_.name === name)?.pid ?? -1);
    const control = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    for (const name of [...control, "kubelet"]) assert.equal(niceness(name), 10, name);
    // Pods have the priority of what starts them.
    assert.equal(niceness("containerd"), 0);
  });

  it("resolves and reaches Services from pods, and from this machine at their node port", async () => {
    const serve = `exec node -e 'require("http").createServer((_, r) => r.end("hello")).listen(8080)'`;
    await apply(admin, pod(namespace, "web", serve), {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace },
      spec: { type: "NodePort", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
    } as object);
    const asked = await runPod(
      namespace,
      "asker",
      `for i in 1 2 3 4 5 6 7 8 9 10; do
         node -e 'fetch("http://web").then((r) => r.text()).then(console.log)' 2>/dev/null && exit
         sleep 1
       done; exit 1`,
    );
    assert.equal(asked, "hello");
    const { spec } = await core.readNamespacedService({ namespace, name: "web" });
    const port = spec?.ports?.[0]?.nodePort;
    for (const host of ["10.243.0.1", "127.0.0.1"]) {
      const answer = await fetch(`http://${host}:${port}`);
      assert.equal(await answer.text(), "hello");
    }
  });

  it("snapshots a volume, and a claim from the snapshot holds the data of that moment", async () => {
    await apply(program, claimOf("origin"));
    await runPod(namespace, "first-writer", "echo before >/data/file", "origin");
    await apply(program, {
      apiVersion: "snapshot.storage.k8s.io/v1",
      kind: "VolumeSnapshot",
      metadata: { name: "moment", namespace },
      spec: { source: { persistentVolumeClaimName: "origin" } },
    } as object);
    const custom = program.makeApiClient(CustomObjectsApi);
    await eventually("the snapshot", 60, async () => {
      const snapshot = (await custom.getNamespacedCustomObject({
        group: "snapshot.storage.k8s.io",
        version: "v1",
        namespace,
        plural: "volumesnapshots",
        name: "moment",
      })) as { status?: { readyToUse?: boolean } };
      return snapshot.status?.readyToUse === true ? true : undefined;
    });
    await runPod(namespace, "second-writer", "echo after >/data/file", "origin");
    const source = { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: "moment" };
    await apply(program, claimOf("copy", source));
    assert.equal(await runPod(namespace, "reader", "cat /data/file", "copy"), "before");
    assert.equal(await runPod(namespace, "other-reader", "cat /data/file", "origin"), "after");
  });

  it("gives a volume no more than its claim asked for", async () => {
    await apply(program, claimOf("small"));
    const fill =
      "head -c 100M /dev/urandom >/data/file 2>/tmp/error && echo fits || cat /tmp/error";
    assert.match(await runPod(namespace, "filler", fill, "small"), /Disk quota exceeded/);
  });

  it("shows a certificate of its own authority, and knows nobody without one", async () => {
    const server = program.getCurrentCluster()?.server ?? "";
    const ask = (ca?: Buffer) =>
      new Promise<string>((resolve) => {
        get(
          `${server}/version`,
          { agent: false, ...(ca === undefined ? {} : { ca }) },
          (answer) => {
            answer.resume();
            resolve(String(answer.statusCode));
          },
        ).on("error", (error: NodeJS.ErrnoException) => {
          resolve(error.code ?? error.message);
        });
      });
    assert.equal(await ask(), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert.equal(await ask(readFileSync(keyPair(paths.pki, "cluster-ca").certificate)), "401");
  });

  it("is left alone by another up", async () => {
    const before = await readClusterStatus();
    const cli = path.join(repository, "dist", "local", "cli.js");
    const said = execFileSync(process.execPath, [cli, "up"], { encoding: "utf8" });
    assert.match(said, /^Cluster: up, https:\/\/10\.243\.0\.1:6443, kubeconfig \S+\n$/);
    const after = await readClusterStatus();
    assert.deepEqual(
      after?.processes.map(({ name, pid }) => [name, pid]),
      before?.processes.map(({ name, pid }) => [name, pid]),
    );
  });
});

describe("the program's identity", function () {
  this.timeout(60_000);
  const own = `${namespace}-limits`;
  before(async () => {
    await apply(
      program,
      namespaceOf(own),
      bindingOf("stateful-cd", "stateful-cd-namespace", "stateful-cd", own),
    );
    await apply(admin, pod(own, "victim", "sleep 600"));
  });
  after(() => core.deleteNamespace({ name: own }));

  const asked = /^403 .*User "stateful-cd" cannot/;

  it("reads no secret of the cluster", async () => {
    const secrets = core.listNamespacedSecret({ namespace: "kube-system" });
    assert.match(await refusal(secrets), asked);
    assert.match(await refusal(core.listSecretForAllNamespaces()), asked);
  });

  it("makes no namespace of another name, and none where pods may be privileged", async () => {
    assert.match(
      await refusal(apply(program, namespaceOf("foo"))),
      /^4\d\d .*stateful-cd may touch only namespaces named bookkeeper-\*, not foo$/,
    );
    assert.match(
      await refusal(apply(program, namespaceOf("bookkeeper-loose", {}))),
      /^4\d\d .*carry the label pod-security\.kubernetes\.io\/enforce: restricted/,
    );
    const loose = { "pod-security.kubernetes.io/enforce": "privileged" };
    assert.match(
      await refusal(apply(program, namespaceOf(own, loose))),
      /^4\d\d .*carry the label pod-security\.kubernetes\.io\/enforce: restricted/,
    );
    assert.match(
      await refusal(core.deleteNamespace({ name: "kube-node-lease", dryRun: "All" })),
      /^4\d\d .*stateful-cd may touch only namespaces named bookkeeper-\*, not kube-node-lease$/,
    );
  });

  it("binds nothing in kube-system, no other role, and nobody else", async () => {
    const role = "stateful-cd-namespace";
    assert.match(
      await refusal(apply(program, bindingOf("x", role, "stateful-cd", "kube-system"))),
      /^4\d\d .*stateful-cd may bind roles only in namespaces named bookkeeper-\*, not in kube-system$/,
    );
    assert.match(
      await refusal(apply(program, bindingOf("x", "cluster-admin", "stateful-cd", own))),
      /^4\d\d /,
    );
    assert.match(
      await refusal(apply(program, bindingOf("x", role, "somebody", own))),
      /^4\d\d .*stateful-cd may bind the ClusterRole stateful-cd-namespace to itself, and nothing else$/,
    );
    const rbac = program.makeApiClient(RbacAuthorizationV1Api);
    assert.match(await refusal(rbac.listClusterRoleBinding()), asked);
  });

  it("runs no command in a pod, even one of its own", async () => {
    const attempt = new Exec(program).exec(own, "victim", "main", ["id"], null, null, null, false);
    await assert.rejects(attempt, (error: { message?: string }) =>
      (error.message ?? "").includes("403"),
    );
  });

  it("makes no pod of its own, and none with privileges through a deployment", async () => {
    assert.match(await refusal(apply(program, pod(own, "mine", "true"))), asked);
    const template = {
      metadata: { labels: { app: "loose" } },
      spec: {
        hostNetwork: true,
        containers: [{ name: "main", image: "localhost/base:1" }],
      },
    };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "loose", namespace: own },
      spec: { selector: { matchLabels: { app: "loose" } }, template },
    };
    await apply(program, deployment);
    const apps = program.makeApiClient(AppsV1Api);
    const said = await eventually("the deployment's failure", 30, async () => {
      const { status } = await apps.readNamespacedDeployment({ namespace: own, name: "loose" });
      return status?.conditions?.find((condition) => condition.type === "ReplicaFailure")?.message;
    });
    assert.match(said, /violates PodSecurity "restricted:latest"/);
  });

  it("changes nothing about nodes and storage", async () => {
    assert.match(await refusal(core.listNode()), asked);
    // It may see volumes, to know that one is gone, and touch none.
    const { items: volumes } = await core.listPersistentVolume();
    const name = volumes[0]?.metadata?.name ?? "any";
    assert.match(await refusal(core.deletePersistentVolume({ name })), asked);
    const { items } = await adminCore.listNode();
    assert.equal(items.length, 1);
  });
});
