import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { CustomObjectsApi } from "../../kube/clusterClient";
import { labelsOf } from "../../kube/clone/names";
import { aliasSnapshot, createContent, takeSnapshot } from "../../kube/clone/snapshots";
import { removeNamespace } from "../../kube/namespace";
import { deadlineIn, remove, waitFor } from "../../kube/waiting";
import {
  ask,
  fillProduction,
  makeClaim,
  makeNamespace,
  makePasswords,
  orphansInStorage,
  production,
  programContext as context,
  runKind,
  serverAt,
  serverImage,
  serverIn,
  staging,
  startServer,
  stopServer,
} from "../cloneScene";
import {
  assertNothingLeft,
  assertSweptNothingOf,
  claimClone,
  cloneInputs,
  createClone,
  declareServer,
  importClone,
  isFinished,
  removeClone,
  removeImport,
  removeServer,
  sweep,
  volumesIn,
} from "../maskedClone";
import { apply, identity, refusal } from "../pods";
import { adminContext, passwordsIn } from "../testStack";

/** All steps in a run of all crashes (npm run test:clone), else one of each kind. */
const killedAfter =
  process.env.STATEFUL_CD_ALL_CRASHES === "1"
    ? [
        "leftovers",
        "preflight",
        "quarantine",
        "verifiers",
        "source snapshot",
        "alias",
        "raw claim",
        "open",
        "masked snapshot",
        "ownership",
        "teardown",
      ]
    : ["quarantine", "raw claim", "ownership"];

describe("a clone of production", function () {
  this.timeout(300_000);
  const logged: string[] = [];

  before(async function () {
    this.timeout(120_000);
    await Promise.all([makeNamespace(production), makeNamespace(staging)]);
    await Promise.all([makePasswords(production), makePasswords(staging)]);
    await makeClaim(production, "database", "1Gi");
    await startServer(production, "database");
    await fillProduction();
  });

  after(async () => {
    await Promise.all(
      [production, staging].map((namespace) => removeNamespace(adminContext, namespace, 120)),
    );
    assert.deepEqual(await orphansInStorage(), []);
  });

  it("has all rows and the new passwords, while nothing raw is left", async () => {
    const inputs = cloneInputs("whole");
    const goods = "select count(*)::int as n, md5(string_agg(name, ',' order by id)) from goods";
    const before = await ask(serverAt(production, "database"), goods);
    const made = await createClone(inputs);
    assert.equal(made.status, 0, made.errors);
    logged.push(...made.lines);
    await assertNothingLeft(inputs);
    const outs = made.outputs.outs as Record<string, unknown>;
    console.log(`      ms by step: ${JSON.stringify(outs.millisecondsByStep)}`);
    const { mountedMilliseconds: mounted, openMilliseconds: open } = outs;
    console.log(
      `      ms from snapshot to mounted claim: ${String(mounted)}, to open server: ${String(open)}`,
    );
    assert.ok(Number(mounted) > 0 && Number(open) > Number(mounted));
    assert.equal(outs.restoreSize, 1024 ** 3);

    const started = performance.now();
    await importClone("whole");
    await makeClaim(staging, "clone", String(outs.restoreSize), "clone-whole");
    await startServer(staging, "clone");
    const server = serverAt(staging, "clone");
    assert.deepEqual(await ask(server, goods), before);
    console.log(
      `      finished clone to open server: ${Math.round(performance.now() - started)} ms`,
    );

    await ask(serverAt(staging, "clone", "bookkeeper_owner", "owner-password"), "select 1");
    const roles = `select rolname, rolcanlogin, rolpassword is not null as has_password from pg_authid
                   where rolname not like 'pg\\_%' order by rolname`;
    assert.deepEqual(await ask(server, roles), [
      { rolname: 'a "strange" person', rolcanlogin: false, has_password: false },
      { rolname: "bookkeeper_app", rolcanlogin: false, has_password: false },
      { rolname: "bookkeeper_owner", rolcanlogin: true, has_password: true },
      { rolname: "pooler", rolcanlogin: true, has_password: true },
      { rolname: "postgres", rolcanlogin: true, has_password: true },
    ]);
    assert.deepEqual(await ask(server, "select from pg_replication_slots"), []);
    assert.deepEqual(
      await ask(server, "select subenabled, subconninfo, subslotname from pg_subscription"),
      [{ subenabled: false, subconninfo: "", subslotname: null }],
    );
    const settings = `select name, setting from pg_file_settings
                      where sourcefile ~ 'auto.conf$' and error is null order by name`;
    assert.deepEqual(await ask(server, settings), [
      { name: "archive_mode", setting: "off" },
      { name: "local_preload_libraries", setting: "" },
      { name: "session_preload_libraries", setting: "" },
      { name: "ssl", setting: "off" },
      { name: "synchronous_standby_names", setting: "" },
      { name: "wal_init_zero", setting: "off" },
      { name: "work_mem", setting: "8MB" },
    ]);
    assert.deepEqual(
      await ask(server, "select datname from pg_database where not datallowconn order by 1"),
      [{ datname: "closed" }, { datname: "template0" }],
    );
    await ask(server, "alter database closed allow_connections true");
    for (const database of ["postgres", "closed"]) {
      const mappings = `select srvname, umid is null as is_forgotten
                        from pg_foreign_server left join pg_user_mappings using (srvname)`;
      assert.deepEqual(await ask(serverIn(staging, "clone", database), mappings), [
        { srvname: "elsewhere", is_forgotten: true },
      ]);
    }
    // Production was not changed by any of it.
    const slots = await ask(
      serverAt(production, "database"),
      "select slot_name from pg_replication_slots",
    );
    assert.deepEqual(slots, [{ slot_name: "kept" }]);

    await stopServer(staging, "clone");
    await remove(
      context,
      { kind: "PersistentVolumeClaim", namespace: staging, name: "clone" },
      deadlineIn(60),
    );
    await removeImport("whole");
    const removed = await removeClone(inputs);
    assert.equal(removed.status, 0, removed.errors);
    await assertNothingLeft(inputs);
    assert.ok(!(await isFinished(inputs)));
  });

  it("is found by the next run, which makes nothing anew, and tells its outputs to a refresh", async () => {
    const inputs = cloneInputs("found");
    const first = (await createClone(inputs)).outputs.outs as Record<string, unknown>;
    const second = await createClone(inputs);
    assert.equal(second.status, 0, second.errors);
    const again = second.outputs.outs as Record<string, unknown>;
    assert.equal(again.snapshotHandle, first.snapshotHandle);
    assert.equal(again.rawLifetimeSeconds, first.rawLifetimeSeconds);
    const read = await runKind("maskedSnapshot", "read", [inputs.quarantine, inputs]);
    const { props } = read.outputs as { props: Record<string, unknown> };
    assert.equal(props.snapshotHandle, first.snapshotHandle);
    assert.equal((await removeClone(inputs)).status, 0);
    const gone = await runKind("maskedSnapshot", "read", [inputs.quarantine, inputs]);
    assert.deepEqual(gone.outputs, { id: "", props: {} });
    await assertNothingLeft(inputs);
  });

  for (const step of killedAfter) {
    it(`is finished by the next run when the first was killed after "${step}"`, async () => {
      const inputs = cloneInputs(`k-${step.replace(" ", "-")}`);
      const killed = await createClone(inputs, (line) => line.includes(`: ${step}: `));
      assert.equal(killed.status, null);
      const next = await createClone(inputs);
      assert.equal(next.status, 0, next.errors);
      await assertNothingLeft(inputs);
      await assertSweptNothingOf(inputs);
      assert.equal((await removeClone(inputs)).status, 0);
      await assertNothingLeft(inputs);
    });
  }

  for (const step of killedAfter) {
    it(`is swept away when its run was killed after "${step}" and no other came`, async () => {
      const inputs = cloneInputs(`s-${step.replace(" ", "-")}`);
      await createClone(inputs, (line) => line.includes(`: ${step}: `));
      const swept = await sweep("--grace", "0");
      assert.equal(swept.status, 0, swept.output);
      assert.match(swept.output, /sweep: 0 left\n$/);
      await assertNothingLeft(inputs);
      await assertSweptNothingOf(inputs, "--grace", "0");
    });
  }

  it("is made twice at once without one disturbing the other, and a third of the same is told to wait", async () => {
    const [one, two] = [cloneInputs("one"), cloneInputs("two")];
    let third: Promise<Awaited<ReturnType<typeof createClone>>> | undefined;
    const results = await Promise.all([
      createClone(one, (line) => {
        if (line.includes(": quarantine: ")) third = createClone({ ...one, deadlineSeconds: 1 });
        return false;
      }),
      createClone(two),
    ]);
    for (const { status, errors } of results) assert.equal(status, 0, errors);
    const refused = await third;
    assert.match(
      refused?.errors ?? "",
      /^Cannot clone bookkeeper-cl-prod\/database: leftovers: Another run is at work on clone one\.\n {2}It is \S+ \(host\/process\)\.\n {2}Nothing was made\.\n {2}Next: wait until it has ended, then pulumi up$/,
    );
    for (const inputs of [one, two]) {
      assert.equal((await removeClone(inputs)).status, 0);
      await assertNothingLeft(inputs);
    }
  });

  it("stays while a server is to run on it, however long ago it was made, and is swept with its claims once none is", async () => {
    const inputs = cloneInputs("imported");
    await createClone(inputs);
    await importClone("imported");
    await claimClone("imported");
    await declareServer("imported");
    await assertSweptNothingOf(inputs, "--grace", "0");
    const removed = await removeClone(inputs);
    assert.equal(removed.status, 0, removed.errors);
    assert.deepEqual(await volumesIn(staging), ["clone-imported", "database-imported"]);
    assert.ok(await isFinished(inputs));
    await removeServer();
    await assertSweptNothingOf(inputs);
    const { status, output } = await sweep("--grace", "0");
    assert.equal(status, 0, output);
    assert.match(
      output,
      /VolumeSnapshotContent bookkeeper-clq-imported-masked, which no server in bookkeeper-cl-staging runs on\n/,
    );
    assert.deepEqual(await volumesIn(staging), []);
    await assertNothingLeft(inputs);
    assert.ok(!(await isFinished(inputs)));
  });

  it("is removed with an import and a claim that a killed run has made and told nobody of", async () => {
    const inputs = cloneInputs("untold");
    await createClone(inputs);
    await importClone("untold");
    await claimClone("untold");
    const removed = await removeClone(inputs);
    assert.equal(removed.status, 0, removed.errors);
    assert.deepEqual(await volumesIn(staging), []);
    await assertNothingLeft(inputs);
    assert.ok(!(await isFinished(inputs)));
  });

  it("that nobody has imported goes when the next is made for the same namespace", async () => {
    const [one, two] = [cloneInputs("forgotten"), cloneInputs("next")];
    await createClone(one);
    await assertSweptNothingOf(one);
    const next = await createClone(two);
    assert.equal(next.status, 0, next.errors);
    assert.ok(!(await isFinished(one)) && (await isFinished(two)));
    assert.equal((await removeClone(two)).status, 0);
    for (const inputs of [one, two]) await assertNothingLeft(inputs);
  });

  it("goes at once when the namespace that it was made for is gone", async () => {
    const namespace = "bookkeeper-cl-gone";
    await makeNamespace(namespace);
    await makePasswords(namespace);
    const { target } = cloneInputs("left-alone");
    const inputs = cloneInputs("left-alone", { target: { ...target, namespace } });
    const made = await createClone(inputs);
    assert.equal(made.status, 0, made.errors);
    await removeNamespace(adminContext, namespace, 120);
    const { status, output } = await sweep();
    assert.equal(status, 0, output);
    assert.match(
      output,
      /bookkeeper-clq-left-alone-masked, whose namespace bookkeeper-cl-gone is gone\n/,
    );
    assert.ok(!(await isFinished(inputs)));
    await assertNothingLeft(inputs);
  });

  it("that never gets its snapshot ends at the deadline with the cause, and nothing is left", async () => {
    const secret = "csi.storage.k8s.io/snapshotter-secret";
    await apply(identity("admin"), {
      apiVersion: "snapshot.storage.k8s.io/v1",
      kind: "VolumeSnapshotClass",
      metadata: { name: "bookkeeper-cl-never" },
      driver: "btrfs.local",
      deletionPolicy: "Delete",
      parameters: { [`${secret}-name`]: "nobody-has-it", [`${secret}-namespace`]: production },
    } as object);
    try {
      const inputs = cloneInputs("never", {
        snapshotClass: "bookkeeper-cl-never",
        deadlineSeconds: 5,
      });
      const { status, errors } = await createClone(inputs);
      assert.equal(status, 1);
      assert.match(
        errors,
        /^Cannot clone bookkeeper-cl-prod\/database: source snapshot: VolumeSnapshot bookkeeper-cl-prod\/clone-never is not ready to use after 5 s\.\n {2}.*cannot get credentials for snapshot content.*\n {2}Nothing is left of it\.\n {2}Next: kubectl /,
      );
      await assertNothingLeft(inputs);
    } finally {
      await identity("admin").makeApiClient(CustomObjectsApi).deleteClusterCustomObject({
        group: "snapshot.storage.k8s.io",
        version: "v1",
        plural: "volumesnapshotclasses",
        name: "bookkeeper-cl-never",
      });
    }
  });

  it("whose server image does not exist says so, and nothing is left", async () => {
    const source = {
      namespace: production,
      claim: "database",
      serverImage: "localhost/postgres:0",
    };
    const inputs = cloneInputs("no-image", { source, deadlineSeconds: 30 });
    const { status, errors } = await createClone(inputs);
    assert.equal(status, 1);
    assert.match(
      errors,
      /: open: The image localhost\/postgres:0 cannot be had in bookkeeper-clq-no-image\./,
    );
    await assertNothingLeft(inputs);
  });

  it("of a claim that is not there, into volumes that are too small, or of a role that production lacks, is refused with the reason", async () => {
    const source = { namespace: production, claim: "nothing", serverImage };
    const noClaim = await createClone(cloneInputs("no-claim", { source }));
    assert.equal(
      noClaim.errors,
      "Cannot clone bookkeeper-cl-prod/nothing: preflight: There is no claim bookkeeper-cl-prod/nothing to clone.\n  Staging is made of production's data, so production comes first.\n  Nothing was made.\n  Next: pulumi up --stack prod",
    );
    const small = cloneInputs("too-small");
    const tooSmall = await createClone({ ...small, target: { ...small.target, storage: "900Mi" } });
    assert.equal(
      tooSmall.errors,
      "Cannot clone bookkeeper-cl-prod/database: preflight: The volumes of bookkeeper-cl-staging are too small for a clone of bookkeeper-cl-prod/database.\n  They have 900Mi, production's has 1Gi.\n  Nothing was made.\n  Next: set storage: 1Gi in stateful-cd:database of this stack",
    );
    const target = {
      namespace: staging,
      passwords: [{ role: "nobody", secret: "database", key: "owner-password" }],
      storage: "1Gi",
    };
    const noRole = cloneInputs("no-role", { target });
    assert.match(
      (await createClone(noRole)).errors,
      /: open: Production's data could not be opened in bookkeeper-clq-no-role\.\n {2}The passwords of production could not be replaced\.\n(.*\n)* .*production has no role nobody, for which there is a password/,
    );
    await assertNothingLeft(noRole);
  });

  it("without the password's Secret is refused before production is touched", async () => {
    const target = {
      namespace: staging,
      passwords: [{ role: "postgres", secret: "other", key: "x" }],
      storage: "1Gi",
    };
    const inputs = cloneInputs("no-secret", { target });
    assert.match(
      (await createClone(inputs)).errors,
      /: verifiers: The Secret bookkeeper-cl-staging\/other has no password under "x" for role postgres\.\n/,
    );
    await assertNothingLeft(inputs);
  });

  it("is refused without consent to unmasked data, and where the cluster is out of reach", async () => {
    const refused = await createClone(cloneInputs("consent", { allowUnmasked: false }));
    assert.match(
      refused.errors,
      /^A clone would show production's data as it is in bookkeeper-cl-staging\.\n/,
    );
    const file = path.join(await mkdtemp(path.join(tmpdir(), "clone-")), "unreachable.kubeconfig");
    const reachable = await readFile((process.env.KUBECONFIG ?? "").split(":")[0] ?? "", "utf8");
    await writeFile(file, reachable.replace(/server: .*/, "server: https://127.0.0.1:1"));
    const lost = await runKind("maskedSnapshot", "create", [cloneInputs("lost")], undefined, file);
    assert.match(
      lost.errors,
      /^The cluster of context stateful-cd does not answer\.\n {2}address: https:\/\/127\.0\.0\.1:1\n {2}cause: .*127\.0\.0\.1:1/,
    );
    await rm(path.dirname(file), { recursive: true });
  });

  it("binds to no other snapshot than its own", async () => {
    const namespace = staging;
    const inside = (kind: "VolumeSnapshot", name: string) => ({ kind, namespace, name }) as const;
    const labels = labelsOf("binding", "alias");
    await makeClaim(namespace, "small", "64Mi");
    const from = { claim: "small", snapshotClass: "btrfs", labels: {} };
    const claim = { kind: "PersistentVolumeClaim", namespace, name: "small" } as const;
    await waitFor(context, claim, deadlineIn(30), "bound", (found) =>
      found?.status?.phase === "Bound" ? true : undefined,
    );
    const right = await takeSnapshot(
      context,
      inside("VolumeSnapshot", "right"),
      from,
      deadlineIn(30),
    );
    const wrong = await takeSnapshot(
      context,
      inside("VolumeSnapshot", "wrong"),
      from,
      deadlineIn(30),
    );
    const refs = {
      content: { kind: "VolumeSnapshotContent", name: "bookkeeper-clq-binding-raw" },
      snapshot: inside("VolumeSnapshot", "alias"),
    } as const;
    await createContent(context, refs.content, refs.snapshot, wrong, labels, {});
    await assert.rejects(aliasSnapshot(context, refs, right, labels, {}, deadlineIn(30)), {
      message: `VolumeSnapshot ${namespace}/alias is not bound to the snapshot it was made for.\n  handle of the content: expected ${right.handle}, got ${wrong.handle}\n  handle in use: expected ${right.handle}, got ${wrong.handle}\n  Next: find out who else makes snapshots of that name, then run again`,
    });
    await remove(context, refs.snapshot, deadlineIn(30));
    await remove(context, refs.content, deadlineIn(30));
    for (const name of ["right", "wrong"])
      await remove(context, inside("VolumeSnapshot", name), deadlineIn(30));
    await remove(context, claim, deadlineIn(30));
  });

  it("cannot name another's snapshot without saying which clone it is, nor begin as its owner", async () => {
    const contents = identity("program").makeApiClient(CustomObjectsApi);
    const attempt = (labels: object, deletionPolicy: string) =>
      refusal(
        contents.createClusterCustomObject({
          group: "snapshot.storage.k8s.io",
          version: "v1",
          plural: "volumesnapshotcontents",
          body: {
            apiVersion: "snapshot.storage.k8s.io/v1",
            kind: "VolumeSnapshotContent",
            metadata: { name: "bookkeeper-cl-refused", labels },
            spec: {
              deletionPolicy,
              driver: "btrfs.local",
              source: { snapshotHandle: "snapshot-of-somebody" },
              volumeSnapshotRef: { namespace: staging, name: "stolen" },
            },
          },
        }),
      );
    assert.match(
      await attempt({}, "Retain"),
      /422 .*a snapshot's handle is named only by the contents of a clone/,
    );
    assert.match(
      await attempt(labelsOf("x", "masked"), "Delete"),
      /422 .*begins with deletionPolicy Retain/,
    );
  });

  it("prints no password and no verifier", async () => {
    const secrets = [
      ...(await passwordsIn(staging)),
      ...(await passwordsIn(production)),
      "SCRAM-SHA-256",
    ];
    assert.equal(secrets.length, 7);
    const text = logged.join("\n");
    for (const secret of secrets) assert.ok(!text.includes(secret), "a password was printed");
  });
});
