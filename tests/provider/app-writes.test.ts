import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import {
  atEndOfTest,
  call,
  logged,
  pause,
  prepareDatabase,
  type Running,
  startBackend,
  useBookkeeper,
} from "../bookkeeper";
import { useDatabase } from "../postgres";

describe("the backend's writes", () => {
  const database = useDatabase();
  useBookkeeper();
  let environment: Record<string, string>;
  let backend: Running;

  beforeEach(async () => {
    environment = await prepareDatabase(database);
    backend = await startBackend(environment);
    await database.query(`
      INSERT INTO warehouses (location) VALUES ('A'), ('B'), ('C');
      INSERT INTO inventory (name, quantity, warehouse_name) VALUES
        ('Brisket', 100, 'A'), ('Brisket', 100, 'B'), ('Brisket', 100, 'C')`);
  });

  const send = (method: string, path: string, body?: unknown, token?: string) =>
    call(
      `${backend.url}${path}`,
      method,
      body,
      token === undefined ? {} : { "idempotency-key": token },
    );
  const number = async (sql: string): Promise<unknown> =>
    Object.values((await database.query(sql))[0] ?? {})[0];

  it("keep every unit when moves race in all directions, and refuse what is not there", async () => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, turn) => {
        const { status } = await send("POST", `/api/inventory/${1 + (turn % 3)}/move`, {
          to: ["B", "C", "A", "C", "A", "B"][turn % 6],
          quantity: 1 + (turn % 20),
        });
        return status;
      }),
    );
    assert.deepEqual([...new Set(answers)].filter((status) => status !== 409).sort(), [200]);
    assert.equal(await number("SELECT sum(quantity)::int FROM inventory"), 300);
    assert.equal(await number("SELECT count(*)::int FROM inventory"), 3);
  });

  it("let two moves to an empty place agree on one new item there", async () => {
    await database.query("INSERT INTO warehouses (location) VALUES ('D')");
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        send("POST", "/api/inventory/1/move", { to: "D", quantity: 5 }),
      ),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.deepEqual(
      await database.query("SELECT id::int, quantity FROM inventory WHERE warehouse_name = 'D'"),
      [{ id: 4, quantity: 100 }],
    );
    assert.equal(await number("SELECT quantity FROM inventory WHERE id = 1"), 0);
  });

  it("never take a quantity below nothing, however many take at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => send("PATCH", "/api/inventory/1", { change: -7 })),
    );
    const accepted = answers.filter(({ status }) => status === 200).length;
    assert.equal(accepted, 14);
    assert.equal(await number("SELECT quantity FROM inventory WHERE id = 1"), 2);
  });

  it("keep names consistent while a warehouse is renamed under adds and moves", async () => {
    const names = ["A", "A, TX", "A , TX"];
    const renaming = (async () => {
      for (let turn = 1; turn <= 30; turn++) {
        const { status } = await send("PATCH", "/api/warehouses/1", { location: names[turn % 3] });
        assert.equal(status, 200);
      }
    })();
    const using = Array.from({ length: 120 }, async (_, turn) => {
      await pause(turn * 3);
      const warehouse = names[turn % 3];
      const { status } =
        turn % 2 === 0
          ? await send("POST", "/api/inventory", { name: "Rub", quantity: 1, warehouse })
          : await send("POST", "/api/inventory/2/move", { to: warehouse, quantity: 1 });
      assert.ok([200, 201, 400, 409].includes(status), String(status));
      return status < 300;
    });
    await renaming;
    assert.ok((await Promise.all(using)).some(Boolean));
    assert.equal(
      await number(`SELECT count(*)::int FROM inventory i WHERE NOT EXISTS
        (SELECT FROM warehouses w WHERE w.location = i.warehouse_name)`),
      0,
    );
  });

  it("wait for a rename that is under way, and find the old name gone", async () => {
    const renamer = await database.connect();
    await renamer.query("BEGIN; UPDATE warehouses SET location = 'Z' WHERE location = 'A'");
    const answers = Promise.all([
      send("POST", "/api/inventory", { name: "Rub", quantity: 1, warehouse: "A" }),
      send("POST", "/api/inventory/2/move", { to: "A", quantity: 1 }),
    ]);
    await pause(300);
    await renamer.query(
      "UPDATE inventory SET warehouse_name = 'Z' WHERE warehouse_name = 'A'; COMMIT",
    );
    assert.deepEqual(
      (await answers).map(({ status }) => status),
      [400, 400],
    );
    assert.equal(await number("SELECT count(*)::int FROM inventory WHERE warehouse_name = 'A'"), 0);
  });

  it("wait for a move to the same place that is under way, and join its item", async () => {
    await database.query("INSERT INTO warehouses (location) VALUES ('D')");
    const mover = await database.connect();
    await mover.query(`BEGIN; SELECT FROM warehouses WHERE location = 'D' FOR NO KEY UPDATE;
      INSERT INTO inventory (name, quantity, warehouse_name) VALUES ('Brisket', 5, 'D')`);
    const answer = send("POST", "/api/inventory/1/move", { to: "D", quantity: 2 });
    await pause(300);
    await mover.query("COMMIT");
    assert.deepEqual((await answer).body, {
      from: { id: 1, quantity: 98 },
      to: { id: 4, quantity: 7 },
    });
  });

  it("apply a repeated Idempotency-Key once, also when all repeats arrive together", async () => {
    const token = randomUUID();
    const body = { name: "Rub", quantity: 1, warehouse: "A" };
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => send("POST", "/api/inventory", body, token)),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
    assert.equal(new Set(answers.map((answer) => JSON.stringify(answer.body))).size, 1);
    assert.equal(await number("SELECT count(*)::int FROM inventory WHERE name = 'Rub'"), 1);

    const change = randomUUID();
    const first = await send("PATCH", "/api/inventory/1", { change: -1, expected: 100 }, change);
    const second = await send("PATCH", "/api/inventory/1", { change: -1, expected: 100 }, change);
    assert.deepEqual(
      [first.body, second.body],
      [
        { id: 1, quantity: 99 },
        { id: 1, quantity: 99 },
      ],
    );
  });

  it("refuse an Idempotency-Key that belongs to another request, or is none", async () => {
    const token = randomUUID();
    await send("PATCH", "/api/inventory/1", { change: 1 }, token);
    const other = await send("PATCH", "/api/inventory/1", { change: 2 }, token);
    assert.equal(other.status, 422);
    assert.equal(
      (other.body as { detail: string }).detail,
      "This Idempotency-Key belongs to another request. Use a new one for each change.",
    );
    assert.equal((await send("PATCH", "/api/inventory/1", { change: 1 }, "x")).status, 400);
    assert.equal(await number("SELECT quantity FROM inventory WHERE id = 1"), 101);
  });

  it("forget the key of a refused request, which may be sent again", async () => {
    const token = randomUUID();
    const body = { change: -150 };
    assert.equal((await send("PATCH", "/api/inventory/1", body, token)).status, 409);
    await send("PATCH", "/api/inventory/1", { change: 100 });
    assert.equal((await send("PATCH", "/api/inventory/1", body, token)).status, 200);
    assert.equal(await number("SELECT count(*)::int FROM applied_requests"), 1);
  });

  it("hold out while PostgreSQL crashes and recovers, and lose or double none", async function () {
    this.timeout(60_000);
    const acknowledged = new Set<number>();
    const failures: unknown[] = [];
    let isRunning = true;
    atEndOfTest(() => (isRunning = false));
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let turn = 0; isRunning; turn++) {
        const quantity = writer * 1_000_000 + turn;
        const body = { name: "Written", quantity, warehouse: "A" };
        const answer = await send("POST", "/api/inventory", body, randomUUID());
        if (answer.status === 201) acknowledged.add(quantity);
        else failures.push(answer.body);
      }
    });
    for (let crash = 0; crash < 3; crash++) {
      await pause(500);
      const victim = await database.connect();
      const { rows } = await victim.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      process.kill(rows[0]?.pid ?? -1, "SIGKILL");
      await pause(500);
    }
    isRunning = false;
    await Promise.all(writers);
    assert.deepEqual(failures, []);
    await logged(backend, /database connection lost/);
    const written = await database.query("SELECT quantity FROM inventory WHERE name = 'Written'");
    assert.ok(acknowledged.size > 50, String(acknowledged.size));
    assert.equal(written.length, acknowledged.size);
    assert.deepEqual(new Set(written.map(({ quantity }) => quantity)), acknowledged);
  });

  it("say so when the database is away for good, and turn unready", async function () {
    this.timeout(60_000);
    await database.query(`ALTER ROLE ${environment.DATABASE_USER ?? ""} NOLOGIN`);
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${environment.DATABASE_USER ?? ""}'`,
    );
    await pause(2_200);
    assert.equal((await call(`${backend.url}/readyz`)).status, 503);
    assert.equal((await call(`${backend.url}/healthz`)).status, 200);
    await database.query(`ALTER ROLE ${environment.DATABASE_USER ?? ""} LOGIN`);
    assert.equal((await call(`${backend.url}/readyz`)).status, 200);
  });

  it("hold a slow database off with a time limit and give its connection back", async function () {
    this.timeout(60_000);
    const blocker = await database.connect();
    await blocker.query("BEGIN; LOCK TABLE inventory IN ACCESS EXCLUSIVE MODE");
    const started = Date.now();
    const answer = await send("PATCH", "/api/inventory/1", { change: 1 });
    assert.equal(answer.status, 503);
    assert.equal(
      (answer.body as { detail: string }).detail,
      "The database took too long. Nothing was changed.",
    );
    assert.ok(Date.now() - started < 8_000);
    await blocker.query("ROLLBACK");
    assert.equal((await send("PATCH", "/api/inventory/1", { change: 1 })).status, 200);
  });
});
