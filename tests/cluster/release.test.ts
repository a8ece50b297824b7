import { strict as assert } from "node:assert";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiException } from "../../kube/clusterClient";
import type { Client } from "pg";
import { migration } from "../../components/dynamic/migration";
import { chainDigest } from "../../engine/files/digest";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { loadCluster } from "../../kube/client";
import { hasNamespace } from "../../kube/namespace";
import { keptSession } from "../../kube/keptSession";
import { connectToPostgres, type DatabaseAddress } from "../../kube/postgres";
import { portFor } from "../../kube/tunnel";
import { pulumi, type PulumiResult } from "../../local/pulumiStack";
import { eventually } from "../pods";
import { adminContext, passwordsIn, query, useStack } from "../testStack";

const page = "http://10.243.0.1:30090";

function assertOk(result: PulumiResult): void {
  assert.equal(result.status, 0, result.output);
}

describe("a release", function () {
  this.timeout(300_000);
  const said: string[] = [];
  const stack = useStack("test", "dev", {
    frontend: { replicas: 1, nodePort: 30090, address: page },
    sampleData: { rows: 2000, seed: "test", file: "app/sample-data.sql" },
    releases: "tests/fixtures/releases",
  });

  async function run(...args: [string, ...string[]]): Promise<PulumiResult> {
    const result = await stack.run(...args);
    said.push(result.output);
    return result;
  }

  const up = () => run("up", "--yes", "--skip-preview");

  /** The rows there are, once the page has served some of them. */
  async function inventory(): Promise<unknown> {
    // A node sends to a new Service a moment after the cluster has it.
    const answer = await eventually("the page", 10, () =>
      fetch(`${page}/api/inventory?limit=1`).catch(() => undefined),
    );
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { items: unknown[] }).items.length, 1);
    const [row] = await query(await stack.database(), "select count(*)::int as n from inventory");
    return row?.n;
  }

  it("is previewed on a cluster that has nothing of it", async () => {
    const preview = await run("preview");
    assertOk(preview);
    assert.match(preview.output, /Migration\s+schema-0001-bookkeeper\s+create/);
    assert.equal(await hasNamespace(adminContext, stack.namespace), false);
  });

  it("comes up from nothing by one pulumi up, with its data and its page", async () => {
    assertOk(await up());
    const outputs = await stack.outputs();
    assert.equal(outputs.release, "1.0.0");
    assert.equal(outputs.schemaVersion, "0001-bookkeeper");
    assert.equal(outputs.page, page);
    assert.equal(await inventory(), 2000);
    assert.match(await (await fetch(page)).text(), /<title>.*Bookkeeper/);
  });

  it("is left alone by the next up", async () => {
    assertOk(await run("up", "--yes", "--skip-preview", "--expect-no-changes"));
  });

  it("runs its server as declared: checksums, scram, logical WAL, statistics, a restricted pod", async () => {
    const database = await stack.database();
    const [row] = await query(
      database,
      `select current_setting('data_checksums') checksums, current_setting('wal_level') wal,
              current_setting('server_version') version,
              current_setting('password_encryption') passwords,
              (select count(*)::int from pg_extension where extname = 'pg_stat_statements') stats,
              current_user as role`,
    );
    assert.deepEqual(row, {
      checksums: "on",
      wal: "logical",
      version: "17.9",
      passwords: "scram-sha-256",
      stats: 1,
      role: "bookkeeper_owner",
    });
  });

  it("is reached through the Kubernetes API alone, which reports a wrong password and a closed port", async () => {
    const database = await stack.database();
    await assert.rejects(query({ ...database, secretKey: "pooler-password" }, "select 1"), {
      message:
        /^Cannot connect to database bookkeeper-test\/bookkeeper as bookkeeper_owner\.\n {2}PostgreSQL in pod "database" answered: password authentication failed/,
    });
    await assert.rejects(connectToPostgres({ ...database, port: 9999 }, 0, "a test"), {
      message: /Cannot connect to database bookkeeper-test\/bookkeeper.*\n.*9999/,
    });
    await assert.rejects(connectToPostgres({ ...database, app: "nobody" }, 0, "a test"), {
      message: /^No pod of bookkeeper-test\/nobody is ready\.\n {2}There is no such pod\./,
    });
  });

  it("keeps a session that was ended for the next resource, clean, and not for long", async () => {
    const database = await stack.database();
    const open = () => keptSession(database, 30, "a test");
    const pidOf = async (client: Client): Promise<number> => {
      const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      return rows[0]?.pid ?? 0;
    };
    const first = await open();
    const pid = await pidOf(first);
    await first.query(
      "SET work_mem = '7MB'; SELECT pg_advisory_lock(1); CREATE TEMP TABLE mine ()",
    );
    await first.end();
    const second = await open();
    assert.equal(await pidOf(second), pid);
    const { rows } = await second.query(
      `SELECT current_setting('work_mem') AS memory, to_regclass('mine') AS mine,
              (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = $1) AS locks`,
      [pid],
    );
    assert.deepEqual(rows, [{ memory: "4MB", mine: null, locks: 0 }]);
    await second.query("BEGIN");
    await second.end();
    const third = await open();
    const other = await pidOf(third);
    assert.notEqual(other, pid);
    await third.end();
    await sleep(2_000);
    const fourth = await open();
    assert.notEqual(await pidOf(fourth), other);
    await fourth.end();
  });

  it("applies plain migrations that follow one another in one run, and fails at the one that fails", async () => {
    const address = await stack.database();
    const superuser = { ...address, role: "postgres", secretKey: "superuser-password" };
    const database = { ...superuser, database: "ahead" };
    const folder = await mkdtemp(path.join(tmpdir(), "stateful-cd-ahead-"));
    const write = (id: string, sql: string) => writeFile(path.join(folder, `${id}.sql`), sql);
    await query(superuser, "CREATE DATABASE ahead");
    try {
      await write("1-a", "CREATE TABLE a ()");
      await write("2-b", "CREATE TABLE b ()");
      await write("3-c", "CREATE TABLE b ()");
      const run = async (place: number) => {
        const found = await loadMigrations(folder);
        const { id = "", digest = "" } = found[place - 1] ?? {};
        const rest = found.slice(place);
        const ahead = { through: rest.at(-1)?.id ?? "", digest: chainDigest(rest) };
        const common = { database, folder, cloneId: "", deadlineSeconds: 30 };
        const inputs = { ...common, migration: id, digest, ...(rest.length > 0 && { ahead }) };
        return (await migration.reconcile(inputs)).schemaFingerprint;
      };
      const first = await run(1);
      assert.notEqual(await run(2), first);
      await assert.rejects(run(3), {
        message: /^Migration 3-c failed: relation "b" already exists/,
      });
      const runs = await query(database, "SELECT outcome FROM stateful_cd.runs");
      assert.deepEqual(runs, [{ outcome: "failed" }]);
      await write("3-c", "CREATE TABLE c ()");
      assert.notEqual(await run(3), first);
      const tables = await query(
        database,
        "SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
      );
      assert.deepEqual(tables, [{ t: "a" }, { t: "b" }, { t: "c" }]);
    } finally {
      await rm(folder, { recursive: true });
      await query(superuser, "DROP DATABASE ahead WITH (FORCE)");
    }
  });

  it("lets the backend in as its release's own role, through the pooler", async () => {
    const rows = await query(
      await stack.database(),
      `select distinct usename from pg_stat_activity
       where usename like 'bookkeeper\\_app%'`,
    );
    assert.deepEqual(rows, [{ usename: "bookkeeper_app_1_0_0" }]);
  });

  it("is previewed with the cluster out of reach, which the preview says, and not brought up", async () => {
    const file = path.join(stack.folder, "unreachable.kubeconfig");
    const reachable = await readFile(stack.environment.KUBECONFIG ?? "", "utf8");
    await writeFile(file, reachable.replace(/server: .*/, "server: https://127.0.0.1:1"));
    const lost = {
      ...stack,
      environment: { ...stack.environment, KUBECONFIG: file },
    };
    const preview = await pulumi(lost, ["preview"]);
    assertOk(preview);
    assert.match(preview.output, /warning: This preview rests on the last known state alone\./);
    const attempt = await pulumi(lost, ["up", "--yes", "--skip-preview"]);
    assert.notEqual(attempt.status, 0);
    assert.match(attempt.output, /127\.0\.0\.1:1/);
    assert.equal(await inventory(), 2000);
  });

  it("shows in a refresh what somebody changed in the schema, and records it with the next up", async () => {
    await query(await stack.database(), "create index made_at_night on inventory (quantity)");
    const refresh = await run("refresh", "--yes");
    assertOk(refresh);
    const preview = await run("preview", "--diff");
    assertOk(preview);
    assert.match(preview.output, /SchemaBaseline/);
    const next = await up();
    assertOk(next);
    assert.match(next.output, /made_at_night/);
    assertOk(await run("up", "--yes", "--skip-preview", "--expect-no-changes"));
  });

  it("names the port of its tunnel when another program has it, and nothing of its own inside", async () => {
    const port = portFor(stack.namespace);
    const other = createServer().listen(port, "127.0.0.1");
    await once(other, "listening");
    const attempt = await up();
    other.close();
    assert.notEqual(attempt.status, 0);
    assert.match(
      attempt.output,
      new RegExp(
        `Cannot listen on 127\\.0\\.0\\.1:${port}, the tunnel to bookkeeper-test/database\\.\\n *Another program has it`,
      ),
    );
    assert.doesNotMatch(attempt.output, /unhandled exception|node:net/);
  });

  it("is found in the middle of a migration after kill -9 of its runner", async () => {
    await stack.setConfig({ release: "1.0.0-slow" });
    // Asked before: while an up writes the state, a reader may meet half of it.
    const database = await stack.database();
    let pid = 0;
    const killed = pulumi(stack, ["up", "--yes", "--skip-preview"], {
      onStart: (started) => (pid = started),
    });
    await waitFor(() => isSleeping(database));
    process.kill(-pid, "SIGKILL");
    await killed;
    assertOk(await run("cancel", "--yes"));
    const [row] = await query(database, "select to_regclass('slow') is null as missing");
    assert.deepEqual(row, { missing: true });
  });

  it("finishes the migration with the next up; a second one meanwhile is told who is at work", async () => {
    const database = await stack.database();
    await waitFor(async () => !(await isSleeping(database)));
    const first = up();
    // Nothing else is under way now: a reader of the state would meet half of it while it is written.
    await waitFor(() => isSleeping(database));
    const second = await run("up", "--yes", "--skip-preview");
    assertOk(await first);
    assert.notEqual(second.status, 0);
    assert.match(second.output, /the stack is currently locked by 1 lock/);
    assert.equal((await stack.outputs()).schemaVersion, "0002-slow");
    const [row] = await query(database, "select count(*)::int as rows from slow");
    assert.deepEqual(row, { rows: 1 });
  });

  it("has the views of repeatable/, shows in a refresh that one was replaced, and puts it right", async () => {
    const database = await stack.database();
    const stock = () => query(database, "select sum(quantity) > 0 as some from stock_list");
    assert.deepEqual(await stock(), [{ some: true }]);
    await query(
      database,
      "create or replace view stock_list as select ''::text as warehouse_name, 0::bigint as quantity",
    );
    assertOk(await run("refresh", "--yes"));
    const preview = await run("preview");
    assertOk(preview);
    assert.match(preview.output, /Repeatables\s+schema-repeatable\s+update/);
    assertOk(await up());
    assert.deepEqual(await stock(), [{ some: true }]);
    assertOk(await run("up", "--yes", "--skip-preview", "--expect-no-changes"));
  });

  it("names an image that is not there, and the release before keeps serving", async () => {
    await stack.setConfig({ release: "1.0.0-missing-image" });
    const attempt = await up();
    assert.notEqual(attempt.status, 0);
    assert.match(attempt.output, /bbq-backend:never-built/);
    assert.equal(await inventory(), 2000);
    await stack.setConfig({ release: "1.0.0-slow" });
    assertOk(await up());
  });

  it("keeps every password out of state, output and logs", async () => {
    const passwords = await passwordsIn(stack.namespace);
    assert.equal(passwords.length, 3 + 3, "three of the database, one a release");
    const state = await pulumi(stack, ["stack", "export"]);
    assertOk(state);
    const logs = await logsOf(stack.namespace);
    for (const password of passwords) {
      const encoded = Buffer.from(password).toString("base64");
      for (const text of [state.output, logs, ...said]) {
        assert.ok(
          !text.includes(password) && !text.includes(encoded),
          "a password is in the clear",
        );
      }
    }
  });

  it("is not destroyed where data is protected", async () => {
    await stack.setConfig({ protectData: true });
    assertOk(await up());
    const attempt = await run("destroy", "--yes");
    assert.notEqual(attempt.status, 0);
    assert.match(attempt.output, /cannot be deleted\s+because it is protected/);
    assert.equal(await inventory(), 2000);
    await stack.setConfig({ protectData: false });
    assertOk(await up());
  });

  it("leaves nothing behind when a stack without protection is destroyed", async () => {
    assertOk(await run("destroy", "--yes", "--skip-preview"));
    assert.equal(await hasNamespace(adminContext, stack.namespace), false);
    await waitFor(async () => {
      const volumes = await loadCluster(adminContext).core.listPersistentVolume();
      return !volumes.items.some(({ spec }) => spec?.claimRef?.namespace === stack.namespace);
    });
  });
});

/** Whether a session is in the middle of the slow migration. */
async function isSleeping(database: DatabaseAddress): Promise<boolean> {
  const rows = await query(
    database,
    "select from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()",
  );
  return rows.length > 0;
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 180_000;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail("it did not happen within three minutes");
    await sleep(200);
  }
}

async function logsOf(namespace: string): Promise<string> {
  const { core } = loadCluster(adminContext);
  const { items } = await core.listNamespacedPod({ namespace });
  const logs = await Promise.all(
    items.map(({ metadata }) =>
      core
        .readNamespacedPodLog({ namespace, name: metadata?.name ?? "" })
        .catch((error: unknown) => {
          // A pod of the release before may go between the two questions.
          if (error instanceof ApiException && error.code === 404) return "";
          throw error;
        }),
    ),
  );
  assert.ok(
    logs.some((log) => log.includes("PgBouncer")),
    "no log was read",
  );
  return logs.join("\n");
}
