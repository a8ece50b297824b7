import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import {
  atEndOfTest,
  bundled,
  call,
  isReady,
  logged,
  pause,
  prepareDatabase,
  runServer,
  scratchFolder,
  startBackend,
  startBalancer,
  startFrontend,
  useBookkeeper,
} from "../bookkeeper";
import { useDatabase } from "../postgres";

/** One request on a kept connection; resolves to status and Connection header, or the error's code. */
function ask(agent: http.Agent, url: string, body?: object): Promise<string> {
  return new Promise((resolve) => {
    const headers =
      body === undefined
        ? {}
        : { "content-type": "application/json", "idempotency-key": randomUUID() };
    const request = http.request(url, { agent, method: body ? "POST" : "GET", headers });
    request.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    request.on("response", (response) => {
      response.resume();
      response.on("end", () => {
        resolve(String(response.statusCode));
      });
      response.on("error", (error) => {
        resolve(error.message);
      });
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Keeps `clients` connections busy with reads and adds until told to stop; counts the answers. */
function startLoad(url: string, clients: number) {
  const counts: Record<string, number> = {};
  let isRunning = true;
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
  const loops = Array.from({ length: clients }, async (_, client) => {
    for (let turn = 0; isRunning; turn++) {
      const answer =
        (client + turn) % 2 === 0
          ? await ask(agent, `${url}/api/inventory?limit=5`)
          : await ask(agent, `${url}/api/inventory`, { name: "Load", quantity: 1, warehouse: "A" });
      counts[answer] = (counts[answer] ?? 0) + 1;
    }
  });
  atEndOfTest(() => {
    isRunning = false;
    agent.destroy();
  });
  return async (): Promise<Record<string, number>> => {
    isRunning = false;
    await Promise.all(loops);
    return counts;
  };
}

describe("the servers' life", function () {
  this.timeout(60_000);
  const database = useDatabase();
  useBookkeeper();
  let environment: Record<string, string>;

  beforeEach(async () => {
    environment = await prepareDatabase(database);
    await database.query("INSERT INTO warehouses (location) VALUES ('A')");
  });

  it("loses no request when a backend stops under load behind a balancer", async () => {
    const [leaving, staying] = await Promise.all([
      startBackend(environment),
      startBackend(environment),
    ]);
    const balancer = await startBalancer([leaving.port, staying.port]);
    const endLoad = startLoad(balancer, 16);
    await pause(700);
    assert.equal(await leaving.stop(), 0);
    await pause(300);
    const counts = await endLoad();
    assert.deepEqual(Object.keys(counts).sort(), ["200", "201"]);
    assert.ok((counts["201"] ?? 0) > 10);
    const [{ count } = {}] = await database.query("SELECT count(*)::int AS count FROM inventory");
    assert.equal(count, counts["201"]);
    assert.match(leaving.log(), /"msg":"draining".*"msg":"stopped"/s);
  });

  it("loses no request when frontends and backends stop one after the other", async () => {
    const backends = await Promise.all([startBackend(environment), startBackend(environment)]);
    const inner = await startBalancer(backends.map(({ port }) => port));
    const frontends = await Promise.all([startFrontend(inner), startFrontend(inner)]);
    const outer = await startBalancer(frontends.map(({ port }) => port));
    const endLoad = startLoad(outer, 16);
    await pause(500);
    assert.equal(await backends[0].stop(), 0);
    await pause(300);
    assert.equal(await frontends[1].stop(), 0);
    await pause(300);
    const counts = await endLoad();
    assert.deepEqual(Object.keys(counts).sort(), ["200", "201"]);
    const [{ count } = {}] = await database.query("SELECT count(*)::int AS count FROM inventory");
    assert.equal(count, counts["201"]);
  });

  it("costs no request when a backend is killed outright, thanks to the frontend", async () => {
    const [dying, staying] = await Promise.all([
      startBackend(environment),
      startBackend(environment),
    ]);
    const inner = await startBalancer([dying.port, staying.port]);
    const frontend = await startFrontend(inner);
    const endLoad = startLoad(frontend.url, 8);
    await pause(500);
    dying.process.kill("SIGKILL");
    await pause(500);
    const counts = await endLoad();
    assert.deepEqual(Object.keys(counts).sort(), ["200", "201"]);
    const [{ count } = {}] = await database.query("SELECT count(*)::int AS count FROM inventory");
    assert.equal(count, counts["201"]);
  });

  it("finishes what is in flight although it takes longer than the delay", async () => {
    const backend = await startBackend({ ...environment, SHUTDOWN_DELAY_MS: "1000" });
    const blocker = await database.connect();
    await blocker.query("BEGIN; LOCK TABLE inventory IN ACCESS EXCLUSIVE MODE");
    const inFlight = call(`${backend.url}/api/inventory`);
    await pause(200);
    const stopped = backend.stop();
    await pause(50);
    assert.equal(await isReady(backend.port), false);
    const during = await call(`${backend.url}/api/menu`);
    assert.deepEqual([during.status, during.headers.get("connection")], [200, "close"]);
    await pause(1_500);
    await blocker.query("ROLLBACK");
    assert.equal((await inFlight).status, 200);
    assert.equal(await stopped, 0);
  });

  it("serves on after the delay as long as somebody asks", async () => {
    const backend = await startBackend({ ...environment, SHUTDOWN_DELAY_MS: "500" });
    const stopped = backend.stop();
    for (let asked = 0; asked < 10; asked++) {
      assert.equal((await call(`${backend.url}/api/menu`)).status, 200);
      await pause(150);
    }
    assert.equal(await stopped, 0);
  });

  it("repeats no unrepeatable write that may have reached the backend", async () => {
    const seen: string[] = [];
    const backend = http.createServer((request) => {
      seen.push(request.method ?? "");
      request.socket.destroy();
    });
    await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
    atEndOfTest(() => backend.close());
    const { port } = backend.address() as { port: number };
    const frontend = await startFrontend(`http://127.0.0.1:${port}`);
    // Its warm-up.
    seen.length = 0;
    const body = { change: 1 };
    const plain = await call(`${frontend.url}/api/inventory/1`, "PATCH", body);
    assert.equal(plain.status, 503);
    assert.equal(
      (plain.body as { detail: string }).detail,
      "The service cannot be reached. This may or may not be saved: look before you repeat it.",
    );
    assert.deepEqual(seen, ["PATCH"]);
    await call(`${frontend.url}/api/menu`);
    assert.deepEqual(seen.length, 1 + 4);
    await call(`${frontend.url}/api/inventory/1`, "PATCH", body, {
      "idempotency-key": randomUUID(),
    });
    assert.deepEqual(seen.length, 1 + 4 + 4);
    backend.close();
    const refused = await call(`${frontend.url}/api/inventory/1`, "PATCH", body);
    assert.equal(
      (refused.body as { detail: string }).detail,
      "The service cannot be reached. Nothing was changed. Please try again in a moment.",
    );
  });

  it("has answered what is read most before it says that it is ready", async () => {
    const backend = await startBackend(environment);
    const frontend = await startFrontend(backend.url);
    for (const server of [backend, frontend]) {
      assert.match(server.log(), /"reqId":"warm-up".*"status":200.*"msg":"answered"/);
    }
  });

  it("ends at once when it is told to stop while it warms up", async () => {
    const blocker = await database.connect();
    await blocker.query("BEGIN; LOCK TABLE menu IN ACCESS EXCLUSIVE MODE");
    const waiting = `SELECT FROM pg_stat_activity
      WHERE usename = '${environment.DATABASE_USER ?? ""}' AND wait_event_type = 'Lock'`;
    const warmingUp = async () => {
      while ((await database.query(waiting)).length === 0) await pause(20);
    };
    const backend = await runServer("backend", { ...environment, RELEASE: "1.0.0" }, warmingUp);
    assert.equal(backend.code, 0);
    assert.match(
      backend.output,
      /"signal":"SIGTERM","msg":"stopped before anybody was served"\}\n$/,
    );
  });

  it("passes problems, releases and request ids through the frontend", async () => {
    const backend = await startBackend({ ...environment, RELEASE: "1.0.0-backend" });
    const frontend = await startFrontend(backend.url);
    const answer = await call(
      `${frontend.url}/api/inventory/7`,
      "PATCH",
      { change: 1 },
      { "x-request-id": "from-outside" },
    );
    assert.equal(answer.status, 404);
    assert.equal(answer.headers.get("content-type"), "application/problem+json; charset=utf-8");
    assert.equal(answer.headers.get("x-release"), "1.0.0-backend");
    assert.equal(answer.headers.get("x-request-id"), "from-outside");
    await logged(backend, /"reqId":"from-outside"/);
  });

  it("serves the page's files to be kept, the document to be checked, and nothing else", async () => {
    const { url } = await startFrontend("http://127.0.0.1:9");
    const page = await fetch(url);
    const html = await page.text();
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
    assert.equal(page.headers.get("cache-control"), "no-cache");
    assert.match(html, /Release 1\.0\.0/);
    const etag = page.headers.get("etag") ?? "";
    assert.equal((await fetch(url, { headers: { "if-none-match": etag } })).status, 304);
    const script = /src="(\/page\.js\?v=[0-9a-f]{16})"/.exec(html)?.[1] ?? "";
    const file = await fetch(url + script);
    assert.equal(file.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(file.headers.get("content-type"), "text/javascript; charset=utf-8");
    assert.doesNotMatch(html, /<script(?![^>]*src=)/);
    for (const hostile of ["/../server.js", "/page.ts", "/%2e%2e/server.js", "/page.js.map"]) {
      assert.equal((await fetch(url + hostile)).status, 404, hostile);
    }
  });

  it("leads a browser to the release whose document it holds, while two serve", async () => {
    const other = path.join(scratchFolder(), "other-page");
    cpSync(path.join(await bundled("frontend"), "page"), other, { recursive: true });
    writeFileSync(path.join(other, "page.js"), "// of the other release\n");
    const frontends = await Promise.all([
      startFrontend("http://127.0.0.1:9"),
      startFrontend("http://127.0.0.1:9", { PAGE_FOLDER: other, RELEASE: "2.0.0" }),
    ]);
    const balancer = await startBalancer(frontends.map(({ port }) => port));
    for (let turn = 0; turn < 6; turn++) {
      const html = await (await fetch(balancer, { headers: { connection: "close" } })).text();
      const script = /src="(\/page\.js\?v=[0-9a-f]{16})"/.exec(html)?.[1] ?? "";
      const text = await (
        await fetch(balancer + script, { headers: { connection: "close" } })
      ).text();
      assert.equal(text.startsWith("// of the other"), html.includes("Release 2.0.0"));
    }
    const gone = await fetch(`${frontends[0].url}/page.js?v=gone`);
    assert.deepEqual([gone.status, gone.headers.get("cache-control")], [200, "no-cache"]);
    rmSync(other, { recursive: true });
  });

  it("names every mistake in the environment at once and no value", async () => {
    const backend = await runServer("backend", {
      PORT: "0",
      POOL_SIZE: "many",
      DATABASE_HOST: "",
      DATABASE_NAME: "bbq",
      DATABASE_PASSWORD_FILE: "/nowhere/password",
    });
    assert.deepEqual(backend, {
      code: 1,
      output: `The environment variables are not usable:
  PORT must be a whole number from 1 to 65535
  RELEASE must be set
  DATABASE_HOST must be set
  DATABASE_USER must be set
  DATABASE_PASSWORD_FILE must name a readable file
  POOL_SIZE must be a whole number from 1 to 100
`,
    });
    const frontend = await runServer("frontend", { RELEASE: "1.0.0", BACKEND_URL: "backend:8080" });
    assert.deepEqual(frontend, {
      code: 1,
      output:
        "The environment variables are not usable:\n  BACKEND_URL must be like http://backend:8080\n",
    });
  });

  it("takes up a password that was rotated in its file", async () => {
    const backend = await startBackend({ ...environment, POOL_SIZE: "1" });
    const role = environment.DATABASE_USER ?? "";
    await database.query(`ALTER ROLE ${role} PASSWORD 'the-new-one'`);
    writeFileSync(environment.DATABASE_PASSWORD_FILE ?? "", "the-new-one\n");
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
    );
    assert.equal((await call(`${backend.url}/api/menu`)).status, 200);
  });
});
