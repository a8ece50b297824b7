import { strict as assert } from "node:assert";
import {
  call,
  contractDatabase,
  prepareDatabase,
  refusal,
  type Running,
  startBackend,
  useBookkeeper,
} from "../bookkeeper";
import { useDatabase } from "../postgres";

describe("the backend's API of release 2.0.0", () => {
  const database = useDatabase();
  useBookkeeper();
  let backend: Running;

  beforeEach(async () => {
    backend = await startBackend(await prepareDatabase(database, undefined, "2.0.0"), "2.0.0");
    await database.query(`
      INSERT INTO warehouses (location, contact_name) VALUES
        ('Boston, MA', 'Ada'), ('Boston , GA', NULL), ('  Tulsa, OK', NULL), ('Austin', NULL),
        ('Boston,GA', NULL);
      INSERT INTO menu (item) VALUES ('Burnt ends'), ('Baked beans');
      INSERT INTO inventory (name, quantity, unit_price, warehouse_name, date_added) VALUES
        ('Brisket flat', 10, 54.5, 'Boston, MA', '2024-01-02'),
        ('Sausage', 5, NULL, 'Boston , GA', '2024-01-03'),
        ('Hickory chunks', 0, 2, '  Tulsa, OK', '2024-01-01'),
        ('Brisket flat', 1, 54.5, 'Boston,GA', '2024-01-02'),
        ('Pecans', 2, 1, 'Austin', '2024-01-01')`);
  });

  const get = (path: string) => call(`${backend.url}/api/v2${path}`);
  const send = (method: string, path: string, body?: unknown) =>
    call(`${backend.url}/api/v2${path}`, method, body);
  const listed = async (query: string) => {
    const { status, body } = await get(`/inventory?${query}`);
    assert.equal(status, 200, query);
    return (body as { items: { id: number }[] }).items.map(({ id }) => id).sort();
  };
  const locations = async () =>
    (await database.query("SELECT location FROM warehouses ORDER BY id")).map(
      ({ location }) => location,
    );

  it("lists items with the id, city and state of their warehouse", async () => {
    const { body, headers } = await get("/inventory?limit=1&sort=-dateAdded");
    assert.equal(headers.get("x-release"), "2.0.0");
    assert.deepEqual((body as { items: unknown }).items, [
      {
        id: 2,
        name: "Sausage",
        quantity: 5,
        unitPrice: null,
        warehouseId: 2,
        city: "Boston",
        state: "GA",
        dateAdded: "2024-01-03",
      },
    ]);
  });

  it("filters by state, city and warehouse, alone and together with words", async () => {
    assert.deepEqual(await listed(""), [1, 2, 3, 4, 5]);
    assert.deepEqual(await listed("state=GA"), [2, 4]);
    assert.deepEqual(await listed("city=Boston"), [1, 2, 4]);
    assert.deepEqual(await listed("city=Boston&state=MA"), [1]);
    assert.deepEqual(await listed("city=Boston&state=GA&warehouse=5"), [4]);
    assert.deepEqual(await listed("warehouse=2"), [2]);
    assert.deepEqual(await listed("state=none"), [5]);
    assert.deepEqual(await listed("state=GA&q=bris"), [4]);
    assert.deepEqual(await listed("city=boston"), []);
    assert.deepEqual(await listed(`city=${encodeURIComponent("x' OR true --")}`), []);
    assert.deepEqual(await refusal(get("/inventory?state=ga&warehouse=0&city=%00&limit=0")), [
      400,
      "limit must be a whole number from 1 to 200; state must be two capital letters or none; city must be readable text; warehouse must be the id of a warehouse.",
      "limit",
      "state",
      "city",
      "warehouse",
    ]);
  });

  it("walks through the pages of a city in every order", async () => {
    await database.query(`
      INSERT INTO inventory (name, quantity, warehouse_id, date_added)
      SELECT 'Rub ' || n % 7, n % 5, 1 + n % 2, date '2024-02-01' + n % 3
      FROM generate_series(1, 60) n`);
    for (const sort of ["name", "-name", "dateAdded", "-dateAdded", "quantity", "-quantity"]) {
      const seen: number[] = [];
      let cursor: string | null = "";
      while (cursor !== null) {
        const next: string = cursor === "" ? "" : `&cursor=${cursor}`;
        const { body } = await get(`/inventory?city=Boston&limit=7&sort=${sort}${next}`);
        const page = body as { items: { id: number }[]; nextCursor: string | null };
        seen.push(...page.items.map(({ id }) => id));
        cursor = page.nextCursor;
      }
      assert.deepEqual([seen.length, new Set(seen).size], [63, 63], sort);
    }
  });

  it("counts the warehouses of states and cities", async () => {
    assert.deepEqual((await get("/places")).body, {
      states: [
        { state: "GA", warehouses: 2 },
        { state: "MA", warehouses: 1 },
        { state: "OK", warehouses: 1 },
        { state: null, warehouses: 1 },
      ],
      cities: [
        { city: "Austin", state: null, warehouses: 1 },
        { city: "Boston", state: "GA", warehouses: 2 },
        { city: "Boston", state: "MA", warehouses: 1 },
        { city: "Tulsa", state: "OK", warehouses: 1 },
      ],
    });
  });

  it("adds, changes, moves and removes items by the id of their warehouse", async () => {
    const item = { name: "Rub", quantity: 3, unitPrice: "1.5", warehouseId: 2 };
    const added = await send("POST", "/inventory", item);
    assert.deepEqual([added.status, added.body], [201, { id: 6 }]);
    const changed = await send("PATCH", "/inventory/6", { change: 2, expected: 3 });
    assert.deepEqual(changed.body, { id: 6, quantity: 5 });
    assert.deepEqual((await send("POST", "/inventory/6/move", { to: 3, quantity: 5 })).body, {
      from: { id: 6, quantity: 0 },
      to: { id: 7, quantity: 5 },
    });
    assert.deepEqual((await send("DELETE", "/inventory/6")).body, { id: 6 });
    assert.deepEqual(
      await database.query(
        "SELECT id::int, quantity, warehouse_name, unit_price FROM inventory WHERE name = 'Rub'",
      ),
      [{ id: 7, quantity: 5, warehouse_name: "  Tulsa, OK", unit_price: "1.50" }],
    );
  });

  it("refuses warehouses that are not there, and the one where the item is", async () => {
    const item = { name: "Rub", quantity: 1, warehouseId: 99 };
    assert.deepEqual(await refusal(send("POST", "/inventory", item)), [
      400,
      "There is no warehouse with the id 99.",
      "warehouseId",
    ]);
    assert.deepEqual(await refusal(send("POST", "/inventory/1/move", { to: 99, quantity: 1 })), [
      400,
      "There is no warehouse with the id 99.",
      "to",
    ]);
    assert.deepEqual(await refusal(send("POST", "/inventory/2/move", { to: 2, quantity: 1 })), [
      400,
      'It is in "Boston, GA" already.',
      "to",
    ]);
    assert.deepEqual(await refusal(send("POST", "/inventory/2/move", { to: "2", quantity: 1 })), [
      400,
      "to must be the id of a warehouse.",
      "to",
    ]);
  });

  it("adds and changes warehouses, and touches no spelling that still says the same", async () => {
    const address = { city: "  Lockhart ", state: "TX", contactName: "José" };
    assert.deepEqual((await send("POST", "/warehouses", address)).body, { id: 6 });
    assert.equal((await send("POST", "/warehouses", { city: "Llano" })).status, 201);
    await send("PATCH", "/warehouses/2", { city: "Boston", state: "GA", contactName: "Wanda" });
    await send("PATCH", "/warehouses/3", { state: "TX" });
    await send("PATCH", "/warehouses/4", { city: "Austin", state: "TX" });
    assert.deepEqual(await locations(), [
      "Boston, MA",
      "Boston , GA",
      "Tulsa, TX",
      "Austin, TX",
      "Boston,GA",
      "Lockhart, TX",
      "Llano",
    ]);
    const { warehouses } = (await get("/warehouses")).body as { warehouses: unknown[] };
    assert.equal(warehouses.length, 7);
    assert.deepEqual(warehouses[1], {
      id: 2,
      city: "Boston",
      state: "GA",
      contactName: "Wanda",
      contactEmail: null,
      contactPhone: null,
    });
  });

  it("refuses addresses that are taken, incomplete or not apart", async () => {
    const taken = [409, 'There is a warehouse in "Boston, MA" already.', "city"];
    const boston = { city: "Boston", state: "MA" };
    assert.deepEqual(await refusal(send("POST", "/warehouses", boston)), taken);
    assert.deepEqual(await refusal(send("PATCH", "/warehouses/2", { state: "MA" })), taken);
    const apart = [400, "city must not hold the state, which is a field of its own.", "city"];
    for (const city of ["Waco, TX", "Waco,tx", "A, B , Ok "]) {
      assert.deepEqual(await refusal(send("POST", "/warehouses", { city })), apart, city);
    }
    assert.deepEqual(await refusal(send("POST", "/warehouses", { city: " ", state: "Texas" })), [
      400,
      "city must not be empty; state must be two capital letters, such as TX.",
      "city",
      "state",
    ]);
    assert.deepEqual(await refusal(send("PATCH", "/warehouses/99", { city: "Waco" })), [
      404,
      "This warehouse is not there any more.",
    ]);
    for (const city of ["x".repeat(197), "a\nb", "a\u0000"]) {
      assert.equal((await send("POST", "/warehouses", { city })).status, 400);
    }
    const longest = { city: "x".repeat(196), state: "TX" };
    assert.equal((await send("POST", "/warehouses", longest)).status, 201);
  });

  it("shows a warehouse whose address nobody could tell, and lets it be mended", async () => {
    await database.query("INSERT INTO warehouses (location) VALUES (', TX')");
    await send("PATCH", "/warehouses/6", { contactName: "Ada" });
    assert.deepEqual(await refusal(send("PATCH", "/warehouses/6", { state: "TX" })), [
      400,
      "city must be given.",
      "city",
    ]);
    const { warehouses } = (await get("/warehouses")).body as { warehouses: unknown[] };
    assert.deepEqual(warehouses.at(-1), {
      id: 6,
      city: null,
      state: null,
      contactName: "Ada",
      contactEmail: null,
      contactPhone: null,
    });
    assert.deepEqual(await listed("state=none"), [5]);
    assert.equal((await send("PATCH", "/warehouses/6", { city: "Waco" })).status, 200);
    assert.equal((await locations()).at(-1), "Waco");
  });

  it("works on when contract has taken the old columns, and tells old pages to reload", async () => {
    const earlier = (method: string, path: string, body?: unknown) =>
      call(`${backend.url}/api${path}`, method, body);
    assert.equal((await earlier("GET", "/inventory?limit=1")).status, 200);
    await contractDatabase(database);
    assert.deepEqual(await listed("city=Boston&state=GA"), [2, 4]);
    const item = { name: "Rub", quantity: 3, warehouseId: 2 };
    assert.equal((await send("POST", "/inventory", item)).status, 201);
    assert.equal((await send("POST", "/inventory/1/move", { to: 3, quantity: 1 })).status, 200);
    assert.equal((await send("POST", "/warehouses", { city: "Waco", state: "TX" })).status, 201);
    assert.equal((await send("PATCH", "/warehouses/2", { city: "Macon" })).status, 200);
    assert.equal((await get("/places")).status, 200);

    const ended = [
      410,
      "This page is of release 1.0.0, which has ended. Nothing was changed. Please reload the page.",
    ];
    const warehouse = "Boston, MA";
    for (const answer of [
      earlier("GET", "/inventory"),
      earlier("GET", "/warehouses"),
      earlier("POST", "/inventory", { name: "Rub", quantity: 1, warehouse }),
      earlier("POST", "/inventory/1/move", { to: warehouse, quantity: 1 }),
      earlier("POST", "/warehouses", { location: "Waco" }),
      earlier("PATCH", "/warehouses/1", { location: "Waco" }),
    ]) {
      assert.deepEqual(await refusal(answer), ended);
    }
    assert.deepEqual((await refusal(earlier("GET", "/inventory?limit=0"))).slice(0, 1), [400]);
    assert.equal((await earlier("GET", "/menu")).status, 200);
  });
});
