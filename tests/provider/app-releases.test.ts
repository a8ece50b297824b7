import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import {
  call,
  pause,
  prepareDatabase,
  type Running,
  startBackend,
  useBookkeeper,
} from "../bookkeeper";
import { useDatabase } from "../postgres";

describe("two releases on one database", function () {
  this.timeout(60_000);
  const database = useDatabase();
  useBookkeeper();
  let earlier: Running;
  let later: Running;

  beforeEach(async () => {
    const environment = await prepareDatabase(database, undefined, "2.0.0");
    [earlier, later] = await Promise.all([
      startBackend(environment),
      startBackend(environment, "2.0.0"),
    ]);
    await database.query(`
      INSERT INTO warehouses (location) VALUES ('Boston , GA'), ('Boston, MA'), ('Austin');
      INSERT INTO inventory (name, quantity, warehouse_name) VALUES
        ('Brisket', 100, 'Boston , GA'), ('Brisket', 100, 'Boston, MA'), ('Brisket', 100, 'Austin')`);
  });

  const v1 = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    call(`${earlier.url}/api${path}`, method, body, headers);
  const v2 = (method: string, path: string, body?: unknown) =>
    call(`${later.url}/api/v2${path}`, method, body);
  const number = async (sql: string): Promise<unknown> =>
    Object.values((await database.query(sql))[0] ?? {})[0];
  /** Rows whose two sides disagree: what neither release may ever leave. */
  const disagreeing = async () => [
    await number(`SELECT count(*)::int FROM inventory i LEFT JOIN warehouses w ON w.id = i.warehouse_id
      WHERE w.location IS DISTINCT FROM i.warehouse_name`),
    await number(`SELECT count(*)::int FROM warehouses WHERE city IS DISTINCT FROM bbq.city_of(location)
      OR state IS DISTINCT FROM bbq.state_of(location)`),
  ];

  it("see each other's items, moves and warehouses at once", async () => {
    const places = async (name: string) => {
      const first = await v1("GET", `/inventory?q=${name}`);
      const second = await v2("GET", `/inventory?q=${name}`);
      const items = [first, second].flatMap(
        ({ body }) => (body as { items: Record<string, unknown>[] }).items,
      );
      return items.map(({ warehouse, city, state }) => warehouse ?? [city, state]);
    };
    await v1("POST", "/inventory", { name: "Hickory", quantity: 3, warehouse: "Boston , GA" });
    assert.deepEqual(await places("hickory"), ["Boston , GA", ["Boston", "GA"]]);
    await v2("POST", "/inventory", { name: "Mesquite", quantity: 3, warehouseId: 1 });
    assert.deepEqual(await places("mesquite"), ["Boston , GA", ["Boston", "GA"]]);

    await v2("POST", "/warehouses", { city: "Waco", state: "TX" });
    await v1("POST", "/warehouses", { location: "Ayden ,NC" });
    const moved = await v1("POST", "/inventory/5/move", { to: "Waco, TX", quantity: 1 });
    assert.equal(moved.status, 200);
    assert.equal((await v2("POST", "/inventory/4/move", { to: 5, quantity: 1 })).status, 200);
    assert.deepEqual(
      await database.query(
        "SELECT name, warehouse_name, warehouse_id::int FROM inventory WHERE id > 5 ORDER BY id",
      ),
      [
        { name: "Mesquite", warehouse_name: "Waco, TX", warehouse_id: 4 },
        { name: "Hickory", warehouse_name: "Ayden ,NC", warehouse_id: 5 },
      ],
    );
    assert.deepEqual(await disagreeing(), [0, 0]);
  });

  it("rename each other's warehouses, and stock follows under both", async () => {
    assert.equal((await v2("PATCH", "/warehouses/1", { city: "Macon" })).status, 200);
    assert.deepEqual((await v1("GET", "/inventory?warehouse=Macon,%20GA")).status, 200);
    assert.equal(await number("SELECT warehouse_name FROM inventory WHERE id = 1"), "Macon, GA");
    assert.equal((await v1("PATCH", "/warehouses/1", { location: " Athens,ga" })).status, 200);
    const { body } = await v2("GET", "/inventory?state=GA&city=Athens");
    assert.deepEqual(
      (body as { items: { id: number }[] }).items.map(({ id }) => id),
      [1],
    );
    assert.equal((await v2("PATCH", "/warehouses/1", { contactName: "Ada" })).status, 200);
    assert.equal(await number("SELECT warehouse_name FROM inventory WHERE id = 1"), " Athens,ga");
    assert.deepEqual(await disagreeing(), [0, 0]);
  });

  it("answer a repeat that reaches the other release with the first receipt", async () => {
    const body = { name: "Rub", quantity: 1, warehouse: "Austin" };
    const token = { "idempotency-key": randomUUID() };
    const first = await v1("POST", "/inventory", body, token);
    const repeat = await call(`${later.url}/api/inventory`, "POST", body, token);
    assert.deepEqual([repeat.status, repeat.body], [first.status, first.body]);
    assert.equal(repeat.headers.get("x-release"), "2.0.0");
    assert.equal(await number("SELECT count(*)::int FROM inventory WHERE name = 'Rub'"), 1);
  });

  it("keep every unit and every address while both write, move and rename at once", async () => {
    const names = ["Boston , GA", "Boston,GA", "Macon, GA"];
    const cities = ["Boston", "Macon", "Athens"];
    const statuses: Record<string, number> = {};
    const count = async (kind: string, answer: ReturnType<typeof call>) => {
      const key = `${kind} ${(await answer).status}`;
      statuses[key] = (statuses[key] ?? 0) + 1;
    };
    const work = Array.from({ length: 240 }, async (_, turn) => {
      await pause(turn * 8);
      const round = Math.floor(turn / 6);
      const id = 1 + (round % 3);
      const quantity = 1 + (turn % 7);
      switch (turn % 6) {
        case 0:
          return count("v1 rename", v1("PATCH", "/warehouses/1", { location: names[round % 3] }));
        case 1:
          return count("v2 rename", v2("PATCH", "/warehouses/1", { city: cities[round % 3] }));
        case 2:
          return count("v1 move", v1("POST", "/inventory/1/move", { to: "Austin", quantity }));
        case 3:
          return count("v2 move", v2("POST", "/inventory/3/move", { to: 1, quantity }));
        case 4:
          return count(
            "v2 add",
            v2("POST", "/inventory", { name: "Rub", quantity: 0, warehouseId: 1 }),
          );
        default:
          return count(
            "v1 move",
            v1("POST", `/inventory/${id}/move`, { to: "Boston, MA", quantity }),
          );
      }
    });
    await Promise.all(work);
    const expected = /^(v[12] rename 200|v2 add 201|v[12] move (200|400|409))$/;
    assert.deepEqual(
      Object.keys(statuses).filter((status) => !expected.test(status)),
      [],
    );
    assert.equal(statuses["v1 rename 200"], 40);
    assert.equal(statuses["v2 rename 200"], 40);
    assert.equal(statuses["v2 add 201"], 40);
    assert.equal(await number("SELECT sum(quantity)::int FROM inventory"), 300);
    assert.equal(await number("SELECT count(*)::int FROM inventory WHERE name = 'Brisket'"), 3);
    assert.deepEqual(await disagreeing(), [0, 0]);
  });

  it("let moves of both to an empty place agree on one new item there", async () => {
    await v2("POST", "/warehouses", { city: "Waco", state: "TX" });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, turn) =>
        turn % 2 === 0
          ? v1("POST", "/inventory/1/move", { to: "Waco, TX", quantity: 5 })
          : v2("POST", "/inventory/1/move", { to: 4, quantity: 5 }),
      ),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.deepEqual(
      await database.query("SELECT quantity FROM inventory WHERE warehouse_id = 4"),
      [{ quantity: 100 }],
    );
  });
});
