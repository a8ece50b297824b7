import { strict as assert } from "node:assert";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { V1Pod } from "@kubernetes/client-node";
import { checkHistory } from "../../demo/load/checkHistory";
import { startLoad } from "../../demo/load/load";
import { loadCluster } from "../../kube/client";
import { cloneSteps } from "../../kube/clone/steps";
import { sweep } from "../../kube/clone/sweep";
import { list } from "../../kube/objects";
import { connectToPostgres } from "../../kube/postgres";
import { repository } from "../../local/paths";
import { pulumi, type PulumiResult } from "../../local/pulumiStack";
import { volumesIn } from "../maskedClone";
import { adminContext, query, type TestStack, useStack } from "../testStack";

const folder = path.join(tmpdir(), `stateful-cd-promotion-${process.pid}`);
const page = "http://10.243.0.1:30093";

/** Release 2.0.0 with one migration more, which loses the state of 'Boston , GA'. */
async function writeReleases(): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const version of ["1.0.0", "2.0.0"]) {
    await cp(
      path.join(repository, "releases", `${version}.yaml`),
      path.join(folder, `${version}.yaml`),
    );
  }
  const migrations = path.join(folder, "lossy-migrations");
  await cp(path.join(repository, "migrations"), migrations, { recursive: true });
  await writeFile(
    path.join(migrations, "0004-lossy.sql"),
    "UPDATE public.warehouses SET location = 'Boston' WHERE location = 'Boston , GA';\n",
  );
  const first = await readFile(path.join(folder, "1.0.0.yaml"), "utf8");
  await writeFile(
    path.join(folder, "1.0.0-other.yaml"),
    first
      .replace("version: 1.0.0", "version: 1.0.0-other")
      .replace("bbq-frontend:1.0.0", "bbq-frontend:2.0.0"),
  );
  const release = await readFile(path.join(folder, "2.0.0.yaml"), "utf8");
  await writeFile(
    path.join(folder, "2.0.0-lossy.yaml"),
    release
      .replace("version: 2.0.0", "version: 2.0.0-lossy")
      .replace("folder: migrations", `folder: ${migrations}`)
      .replace("last: 0003-warehouse-address", "last: 0004-lossy"),
  );
}

/**
 * When `up` of staging is killed: what it prints then, or what it has made and not noted by then;
 * STATEFUL_CD_ALL_CRASHES=1 takes every step.
 */
const moments: readonly Moment[] =
  process.env.STATEFUL_CD_ALL_CRASHES === "1"
    ? [
        ...cloneSteps.map(({ name }) => new RegExp(`: ${name}: \\d+ ms`)),
        ["VolumeSnapshot", "clone"],
        ["PersistentVolumeClaim", "control"],
        ["PersistentVolumeClaim", "database"],
        ...[
          "clone-import",
          "clone-control-server-server",
          "database-server-server",
          "schema-baseline",
          "schema-0002-inventory-warehouse",
          "schema-0003-warehouse-address",
          "integrity",
          "backend-2.0.0-deployment",
          "frontend-2.0.0-deployment",
          "contract",
        ].map(begun),
      ]
    : [
        /: source snapshot: \d+ ms/,
        ["VolumeSnapshot", "clone"],
        ["PersistentVolumeClaim", "database"],
        begun("schema-0002-inventory-warehouse"),
      ];

/** A line that is printed, or an object of a clone in staging, named by what precedes the clone's id. */
type Moment = RegExp | readonly ["VolumeSnapshot" | "PersistentVolumeClaim", string];

/** What the CLI prints when it sets about a resource. */
function begun(resource: string): RegExp {
  return new RegExp(` ${resource} (creating|updating|replacing)`);
}

const up = ["up", "--yes", "--skip-preview"] as const;

describe("a change on its way to production", function () {
  this.timeout(400_000);
  before(writeReleases);
  after(() => rm(folder, { recursive: true, force: true }));

  const prod = useStack("pro", "prod", {
    releases: folder,
    promotion: { from: "sta", bootstrap: true },
    sampleData: { rows: 2000, seed: "test", file: "app/sample-data.sql" },
    frontend: { replicas: 1, nodePort: 30093, address: page },
    backend: { replicas: 1 },
  });
  const staging = useStack(
    "sta",
    "staging",
    { releases: folder, source: "pro", release: "2.0.0", frontend: { replicas: 1 } },
    prod,
  );
  let load: ReturnType<typeof startLoad> | undefined;

  it("is refused by staging as long as there is no production to clone", async () => {
    const { status, output } = await staging.run("preview");
    assert.notEqual(status, 0);
    assert.match(
      output,
      /Stack pro has nothing to clone: it has not been brought up to its end\.[^]*Next: pulumi up -s pro, then this again/,
    );
  });

  it("finds a production whose first release nobody had to prove, at the second try: then no other one", async () => {
    await killAt(prod, / database-server-claim created/);
    assertOk(await prod.run("cancel", "--yes"));
    await prod.setConfig({ release: "1.0.0-other" });
    const another = await prod.run(...up);
    assert.notEqual(another.status, 0);
    assertSaid(another, /Whether release 1\.0\.0-other may pass is not known\./);
    await prod.setConfig({ release: "1.0.0" });
    assertOk(await prod.run(...up));
    const { release, waiting } = await prod.outputs();
    assert.deepEqual({ release, waiting }, { release: "1.0.0", waiting: [] });
  });

  it("finds one that lets the file of a release go, and keeps its login", async () => {
    await rm(path.join(folder, "1.0.0-other.yaml"));
    assertOk(await prod.run(...up));
    const { namespace } = prod;
    const { core } = loadCluster(adminContext);
    await core.readNamespacedSecret({ namespace, name: "backend-1-0-0-other" });
    assert.deepEqual(await otherLogin(prod), [{ rolcanlogin: true }]);
  });

  it("is refused by production in the preview, before staging has passed it", async () => {
    await prod.setConfig({ release: "2.0.0" });
    for (const attempt of [await prod.run("preview"), await prod.run(...up)]) {
      assert.notEqual(attempt.status, 0);
      assertSaid(
        attempt,
        /Release 2\.0\.0 has not been proved: stack sta has run nothing\.\n\s+Next: pulumi up -s sta with stateful-cd:release: "2\.0\.0", then this again/,
      );
    }
    assert.deepEqual(await serving(prod), ["1.0.0"]);
  });

  it("is stopped in staging by a check that fails, before backend and frontend exist", async () => {
    await staging.setConfig({ release: "2.0.0-lossy" });
    const attempt = await staging.run(...up);
    assert.notEqual(attempt.status, 0);
    assertSaid(attempt, /table public\.warehouses, column location[^]*expected: /);
    assert.deepEqual(await serving(staging), []);
  });

  it("is killed in staging at one step after another, and nothing of that stands in its way", async () => {
    await staging.setConfig({ release: "2.0.0" });
    for (const [index, moment] of moments.entries()) {
      // Each a clone of its own: a kill comes a little late, and a step that is done does not come again.
      await staging.setConfig({ clone: { generation: index + 2, allowUnmasked: true } });
      await killAt(staging, moment);
      assertOk(await staging.run("cancel", "--yes"));
    }
  });

  it("is proved in staging then, on a clone of production beside an untouched one", async () => {
    assertOk(await staging.run(...up));
    const { release, verdict, waiting } = await staging.outputs();
    assert.deepEqual(
      { release, verdict, waiting },
      { release: "2.0.0", verdict: "passed", waiting: [] },
    );
    const candidate = await staging.database();
    const rows = "select count(*)::int as rows from inventory where warehouse_id is not null";
    assert.deepEqual(await query(candidate, rows), [{ rows: 2000 }]);
    const untouched =
      "select count(*)::int as rows from inventory where warehouse_name is not null";
    assert.deepEqual(await query({ ...candidate, app: "control" }, untouched), [{ rows: 2000 }]);
    // Of all the clones it was killed over there is nothing left but this one.
    const { cloneId = "" } = candidate;
    const own = ["clone", "control", "database"].map((name) => `${name}-${cloneId}`);
    assert.deepEqual(await volumesIn(staging.namespace), own);
  });

  it("leaves staging alone when nothing has changed", async () => {
    assertOk(await staging.run(...up, "--expect-no-changes"));
  });

  it("comes to production while people work, and waits with what it gives up", async () => {
    load = startLoad({ url: page, ratePerSecond: 20 });
    const preview = await prod.run("preview");
    assertOk(preview);
    assertSaid(preview, /Migration\s+schema-0003-warehouse-address\s+create/);
    assertOk(await prod.run(...up));
    const { release, waiting } = await prod.outputs();
    assert.equal(release, "2.0.0");
    assert.match(
      String(waiting),
      /0002-inventory-warehouse: another release still runs: backend-1-0-0/,
    );
    assert.deepEqual(await serving(prod), ["2.0.0"]);
  });

  it("goes back to the release before, and forward again, and no frontend outlives its backend", async () => {
    const lonelyFrontends = watchForLonelyFrontends(prod);
    await prod.setConfig({ release: "1.0.0" });
    assertOk(await prod.run(...up));
    assert.deepEqual(await serving(prod), ["1.0.0"]);
    await prod.setConfig({ release: "2.0.0" });
    assertOk(await prod.run(...up));
    assert.deepEqual(await serving(prod), ["2.0.0"]);
    assert.deepEqual(await lonelyFrontends(), []);
  });

  it("gives up the old columns once no page uses them, and nobody has lost a request or a write", async () => {
    load?.reload();
    const last = await prod.run(...up);
    assertOk(last);
    assertSaid(last, /bookkeeper-pro\/database: rollback point before-[0-9a-f]{12}-\d taken/);
    assert.deepEqual((await prod.outputs()).waiting, []);
    const address = await prod.database();
    assert.deepEqual(
      await query(
        address,
        `select column_name from information_schema.columns
          where table_name in ('warehouses', 'inventory') and column_name ~ 'location|warehouse_name'
          order by 1`,
      ),
      [{ column_name: "_dropped_location" }, { column_name: "_dropped_warehouse_name" }],
    );
    assert.deepEqual(await otherLogin(prod), [{ rolcanlogin: false }]);
    assert.ok(load);
    const { measured, history } = await load.stop();
    assert.deepEqual([measured.errors, measured.firstErrors], [0, []]);
    const checked = await checkHistory(history, () => connectToPostgres(address, 30, "a test"));
    assert.ok(checked.acknowledged > 100, `${checked.acknowledged} writes`);
    assert.deepEqual([checked.lostWrites, checked.doubledWrites, checked.findings], [0, 0, []]);
  });

  it("is not taken back after that: the preview tells the reason, too, and production stays as it is", async () => {
    await prod.setConfig({ release: "1.0.0" });
    for (const attempt of [await prod.run("preview"), await prod.run(...up)]) {
      assert.notEqual(attempt.status, 0);
      assertSaid(
        attempt,
        /A release whose last migration is 0001-bookkeeper cannot be served: 0002-inventory-warehouse, 0003-warehouse-address are contracted\./,
      );
    }
    assert.deepEqual(await serving(prod), ["2.0.0"]);
    await prod.setConfig({ release: "2.0.0" });
    assertOk(await prod.run(...up));
  });

  it("is all done: another up of either stack has nothing to do, and nothing is left to sweep", async () => {
    assertOk(await prod.run(...up, "--expect-no-changes"));
    assertOk(await staging.run(...up, "--expect-no-changes"));
    const said: string[] = [];
    const left = await sweep({
      context: adminContext,
      graceSeconds: 0,
      report: (line) => said.push(line),
    });
    assert.deepEqual([left, said], [[], []]);
  });
});

/** Whether one may log in as the release whose file is gone. */
async function otherLogin(stack: TestStack): Promise<Record<string, unknown>[]> {
  const role = "bookkeeper_app_1_0_0_other";
  const sql = `select rolcanlogin from pg_roles where rolname = '${role}'`;
  return query(await stack.database(), sql);
}

/** Kills an `up` with all its children at this moment, or as soon after as a signal takes. */
async function killAt(stack: TestStack, moment: Moment): Promise<void> {
  let pid = 0;
  const before = await volumesIn(stack.namespace);
  const come = new AbortController();
  const ended = new AbortController();
  const kill = () => {
    if (!come.signal.aborted) process.kill(-pid, "SIGKILL");
    come.abort();
  };
  const watching = (async () => {
    while (!(moment instanceof RegExp || ended.signal.aborted || come.signal.aborted)) {
      const [kind, name] = moment;
      const found = await list(adminContext, kind, { namespace: stack.namespace });
      const names = found.map(({ metadata }) => metadata?.name ?? "");
      if (names.some((made) => made.startsWith(`${name}-`) && !before.includes(made))) kill();
      await pause(10);
    }
  })();
  const { status, output } = await pulumi(stack, up, {
    onStart: (started) => (pid = started),
    onLine: (line) => {
      if (moment instanceof RegExp && moment.test(line)) kill();
    },
  });
  ended.abort();
  await watching;
  assert.ok(status !== 0 && come.signal.aborted, `${moment.toString()} did not come:\n${output}`);
}

/** Fails with all that was printed, which an assertion on its own would cut. */
function assertSaid({ output }: PulumiResult, what: RegExp): void {
  assert.ok(what.test(output), `${what.source} is not in:\n${output}`);
}

function assertOk(result: PulumiResult): void {
  assert.equal(result.status, 0, result.output);
}

/** The releases whose pods the public Service sends people to. */
async function serving(stack: TestStack): Promise<string[]> {
  const pods = await podsOf(stack, "frontend");
  return releasesOf(pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined));
}

/** Looks for releases that have pods of frontends and none of backends; called, it ends and names them. */
function watchForLonelyFrontends(stack: TestStack): () => Promise<string[]> {
  const lonely = new Set<string>();
  const ended = new AbortController();
  const watching = (async () => {
    while (!ended.signal.aborted) {
      // Frontends first: what starts or goes between the two questions is then never taken for lonely.
      const frontends = releasesOf(await podsOf(stack, "frontend"));
      const backends = releasesOf(await podsOf(stack, "backend"));
      const alone = frontends.filter((release) => !backends.includes(release));
      for (const release of alone) lonely.add(release);
      await pause(200);
    }
  })();
  return async () => {
    ended.abort();
    await watching;
    return [...lonely];
  };
}

async function podsOf({ namespace }: TestStack, app: string): Promise<V1Pod[]> {
  const { core } = loadCluster(adminContext);
  const labelSelector = `app.kubernetes.io/name=${app}`;
  return (await core.listNamespacedPod({ namespace, labelSelector })).items;
}

function releasesOf(pods: readonly V1Pod[]): string[] {
  return [
    ...new Set(pods.map(({ metadata }) => metadata?.labels?.["app.kubernetes.io/version"] ?? "")),
  ];
}
