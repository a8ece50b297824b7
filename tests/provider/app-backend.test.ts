import { strict as assert } from "node:assert";
import {
  call,
  logged,
  prepareDatabase,
  refusal,
  type Running,
  startBackend,
  useBookkeeper,
} from "../bookkeeper";
import { useDatabase } from "../postgres";

describe("the backend's API", () => {
  const database = useDatabase();
  useBookkeeper();
  let backend: Running;

  beforeEach(async () => {
    backend = await startBackend(await prepareDatabase(database));
    await database.query(`
      INSERT INTO warehouses (location, contact_email) VALUES
        ('Boston, MA', 'a@example.com'), ('Boston , GA', NULL), ('  Tulsa, OK', NULL);
      INSERT INTO menu (item) VALUES ('Burnt ends'), ('Baked beans');
      INSERT INTO inventory (name, quantity, unit_price, warehouse_name, date_added) VALUES
        ('Brisket flat', 10, 54.5, 'Boston, MA', '2024-01-02'),
        ('Jalapeño-cheddar sausage', 5, NULL, 'Boston , GA', '2024-01-03'),
        ('Hickory chunks', 0, 9999999999.99, '  Tulsa, OK', '2024-01-01')`);
  });

  const get = (path: string) => call(`${backend.url}${path}`);
  const send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    call(`${backend.url}${path}`, method, body, headers);
  const stock = () =>
    database.query("SELECT id::int, name, quantity, warehouse_name FROM inventory ORDER BY id");

  it("lists items whole, with the release and a request id in the headers", async () => {
    const { status, body, headers } = await get("/api/inventory?limit=1");
    assert.equal(status, 200);
    assert.equal(headers.get("x-release"), "1.0.0");
    assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
    assert.deepEqual((body as { items: unknown }).items, [
      {
        id: 1,
        name: "Brisket flat",
        quantity: 10,
        unitPrice: "54.50",
        warehouse: "Boston, MA",
        dateAdded: "2024-01-02",
      },
    ]);
  });

  it("walks through pages in every order without missing or repeating an item", async () => {
    await database.query(`
      INSERT INTO inventory (name, quantity, warehouse_name, date_added)
      SELECT 'Rub ' || n % 7, n % 5, 'Boston, MA', date '2024-02-01' + n % 3
      FROM generate_series(1, 60) n`);
    for (const sort of ["name", "-name", "dateAdded", "-dateAdded", "quantity", "-quantity"]) {
      const seen: Record<string, unknown>[] = [];
      let cursor: string | null = "";
      while (cursor !== null) {
        const next: string = cursor === "" ? "" : `&cursor=${cursor}`;
        const { body } = await get(`/api/inventory?limit=7&sort=${sort}${next}`);
        const page = body as { items: Record<string, unknown>[]; nextCursor: string | null };
        seen.push(...page.items);
        cursor = page.nextCursor;
      }
      assert.equal(new Set(seen.map(({ id }) => id)).size, 63, sort);
      assert.equal(seen.length, 63, sort);
      const column = sort.replace("-", "");
      const values = seen.map((item) => item[column] as string | number);
      const ordered = values.every((value, at) => {
        const before = values[at - 1] ?? value;
        return sort.startsWith("-") ? before >= value : before <= value;
      });
      assert.ok(ordered, sort);
    }
  });

  it("finds names by the beginnings of words, and takes no word for syntax", async () => {
    const found = async (q: string) => {
      const { status, body } = await get(`/api/inventory?q=${encodeURIComponent(q)}`);
      assert.equal(status, 200, q);
      return (body as { items: { name: string }[] }).items.map(({ name }) => name);
    };
    assert.deepEqual(await found("bri"), ["Brisket flat"]);
    assert.deepEqual(await found("FLAT bris"), ["Brisket flat"]);
    assert.deepEqual(await found("jalapeño-ch"), ["Jalapeño-cheddar sausage"]);
    assert.deepEqual(await found("chedd"), ["Jalapeño-cheddar sausage"]);
    assert.deepEqual(await found("risket"), []);
    assert.equal((await found("   ")).length, 3);
    for (const hostile of ["'", "\\", "a' | 'b", "!:*&|()<->", "%", "'; DROP TABLE menu"]) {
      assert.deepEqual(await found(hostile), [], hostile);
    }
  });

  it("filters by a warehouse's name byte for byte", async () => {
    for (const [warehouse, count] of [
      ["Boston , GA", 1],
      ["Boston, GA", 0],
      ["  Tulsa, OK", 1],
      ["Tulsa, OK", 0],
    ] as const) {
      const { body } = await get(`/api/inventory?warehouse=${encodeURIComponent(warehouse)}`);
      assert.equal((body as { items: unknown[] }).items.length, count, warehouse);
    }
  });

  it("names every bad parameter of the list at once", async () => {
    assert.deepEqual(
      await refusal(get("/api/inventory?limit=0&sort=price&colour=red&warehouse=%00")),
      [
        400,
        "warehouse must be readable text; sort must be one of name, -name, dateAdded, -dateAdded, quantity, -quantity; limit must be a whole number from 1 to 200; colour is not a known field.",
        "warehouse",
        "sort",
        "limit",
        "colour",
      ],
    );
    for (const cursor of [
      "x",
      "e30",
      Buffer.from('["name","a"]').toString("base64url"),
      Buffer.from('["-name","a",1]').toString("base64url"),
      Buffer.from('["name","a\\u0000",1]').toString("base64url"),
    ]) {
      const answer = refusal(get(`/api/inventory?cursor=${cursor}`));
      assert.deepEqual(await answer, [400, "cursor does not belong to this list.", "cursor"]);
    }
    for (const [sort, value] of [
      ["dateAdded", "2024-13-45"],
      ["-dateAdded", "0000-01-01"],
      ["quantity", "9999999999"],
    ]) {
      const cursor = Buffer.from(JSON.stringify([sort, value, 1])).toString("base64url");
      const answer = refusal(get(`/api/inventory?sort=${sort}&cursor=${cursor}`));
      assert.deepEqual(await answer, [400, "cursor does not belong to this list.", "cursor"]);
    }
  });

  it("adds an item under the name of a warehouse that exists", async () => {
    const { status, body } = await send("POST", "/api/inventory", {
      name: "Chef's rub 🔥",
      quantity: 3,
      unitPrice: "12.5",
      warehouse: "  Tulsa, OK",
    });
    assert.equal(status, 201);
    assert.deepEqual(body, { id: 4 });
    const [added] = await database.query(
      "SELECT *, date_added = current_date AS is_new FROM inventory WHERE id = 4",
    );
    assert.equal(added?.name, "Chef's rub 🔥");
    assert.equal(added.unit_price, "12.50");
    assert.equal(added.warehouse_name, "  Tulsa, OK");
    assert.equal(added.is_new, true);
  });

  it("refuses an item with all its mistakes, field by field", async () => {
    assert.deepEqual(
      await refusal(
        send("POST", "/api/inventory", { name: " ", quantity: -1, unitPrice: "1.234", colour: 1 }),
      ),
      [
        400,
        "name must not be blank; quantity must be a whole number from 0 to 2147483647; unitPrice must be an amount such as 12.50; warehouse must be given; colour is not a known field.",
        "name",
        "quantity",
        "unitPrice",
        "warehouse",
        "colour",
      ],
    );
    for (const name of ["a\u0000", "a\ud800", "a\nb", "a".repeat(201)]) {
      const [status] = await refusal(
        send("POST", "/api/inventory", { name, quantity: 1, warehouse: "Boston, MA" }),
      );
      assert.equal(status, 400, JSON.stringify(name));
    }
    assert.deepEqual(
      await refusal(
        send("POST", "/api/inventory", { name: "x", quantity: 1, warehouse: "Boston, GA" }),
      ),
      [400, 'There is no warehouse "Boston, GA".', "warehouse"],
    );
    assert.equal((await stock()).length, 3);
  });

  it("refuses a body that is no JSON, of another type, or too large", async () => {
    const post = async (body: string, type: string) => {
      const response = await fetch(`${backend.url}/api/inventory`, {
        method: "POST",
        body,
        headers: { "content-type": type },
      });
      return response.status;
    };
    assert.equal(await post("{bad", "application/json"), 400);
    assert.equal(await post("[]", "application/json"), 400);
    assert.equal(await post("name=x", "application/x-www-form-urlencoded"), 415);
    assert.equal(await post(`"${"x".repeat(20_000)}"`, "application/json"), 413);
    assert.equal(await post('{"__proto__": {"x": 1}}', "application/json"), 400);
  });

  it("changes a quantity, never below nothing and never over somebody else's change", async () => {
    const change = (id: unknown, body: unknown) =>
      send("PATCH", `/api/inventory/${String(id)}`, body);
    assert.deepEqual((await change(1, { change: -4, expected: 10 })).body, { id: 1, quantity: 6 });
    assert.deepEqual((await change(1, { change: 1 })).body, { id: 1, quantity: 7 });
    assert.deepEqual(await refusal(change(1, { change: -8 })), [409, "There are only 7."]);
    assert.deepEqual(await refusal(change(1, { change: -1, expected: 10 })), [
      409,
      "Somebody else changed this item: there are 7 now, not 10.",
    ]);
    assert.deepEqual(await refusal(change(1, { change: 2147483647 })), [
      409,
      "There can be 2147483647 at most.",
    ]);
    assert.deepEqual(await refusal(change(99, { change: 1 })), [
      404,
      "This item is not there any more.",
    ]);
    assert.deepEqual(await refusal(change(1, { change: 0 })), [
      400,
      "change must not be 0.",
      "change",
    ]);
    assert.deepEqual(await refusal(change("1e0", { change: 1 })), [
      400,
      "id must be a whole number above 0.",
      "id",
    ]);
  });

  it("moves stock onto the same item there, or onto a new one", async () => {
    const move = (id: number, body: unknown) => send("POST", `/api/inventory/${id}/move`, body);
    assert.deepEqual((await move(1, { to: "Boston , GA", quantity: 4 })).body, {
      from: { id: 1, quantity: 6 },
      to: { id: 4, quantity: 4 },
    });
    assert.deepEqual((await move(1, { to: "Boston , GA", quantity: 6 })).body, {
      from: { id: 1, quantity: 0 },
      to: { id: 4, quantity: 10 },
    });
    assert.deepEqual(await stock(), [
      { id: 1, name: "Brisket flat", quantity: 0, warehouse_name: "Boston, MA" },
      { id: 2, name: "Jalapeño-cheddar sausage", quantity: 5, warehouse_name: "Boston , GA" },
      { id: 3, name: "Hickory chunks", quantity: 0, warehouse_name: "  Tulsa, OK" },
      { id: 4, name: "Brisket flat", quantity: 10, warehouse_name: "Boston , GA" },
    ]);
    const [moved] = await database.query("SELECT unit_price FROM inventory WHERE id = 4");
    assert.deepEqual(moved, { unit_price: "54.50" });
  });

  it("refuses to move more than there is, to nowhere, to the same place, or nothing", async () => {
    const move = (id: number, body: unknown) =>
      refusal(send("POST", `/api/inventory/${id}/move`, body));
    assert.deepEqual(await move(1, { to: "Boston , GA", quantity: 11 }), [
      409,
      "There are only 10 in this warehouse.",
    ]);
    assert.deepEqual(await move(1, { to: "Atlantis", quantity: 1 }), [
      400,
      'There is no warehouse "Atlantis".',
      "to",
    ]);
    assert.deepEqual(await move(1, { to: "Boston, MA", quantity: 1 }), [
      400,
      'It is in "Boston, MA" already.',
      "to",
    ]);
    assert.deepEqual(await move(99, { to: "Boston, MA", quantity: 1 }), [
      404,
      "This item is not there any more.",
    ]);
    assert.deepEqual(await move(1, { to: "Boston , GA", quantity: 0 }), [
      400,
      "quantity must be a whole number from 1 to 2147483647.",
      "quantity",
    ]);
  });

  it("removes an item only when none is left of it", async () => {
    assert.deepEqual(await refusal(send("DELETE", "/api/inventory/1")), [
      409,
      "There are 10 of it. Set the quantity to 0 first, or move them.",
    ]);
    assert.deepEqual((await send("DELETE", "/api/inventory/3")).body, { id: 3 });
    assert.deepEqual(await refusal(send("DELETE", "/api/inventory/3")), [
      404,
      "This item is not there any more.",
    ]);
  });

  it("adds, lists and changes warehouses, and renames their stock with them", async () => {
    const added = await send("POST", "/api/warehouses", {
      location: "Lockhart, TX",
      contactName: "José Núñez",
      contactEmail: "jose@example.com",
      contactPhone: "+1 512 555-0100",
    });
    assert.deepEqual([added.status, added.body], [201, { id: 4 }]);
    await send("PATCH", "/api/warehouses/1", { location: "Boston MA", contactEmail: null });
    const { body } = await get("/api/warehouses");
    const nobody = { contactName: null, contactEmail: null, contactPhone: null };
    assert.deepEqual(body, {
      warehouses: [
        { id: 2, location: "Boston , GA", ...nobody },
        { id: 1, location: "Boston MA", ...nobody },
        {
          id: 4,
          location: "Lockhart, TX",
          contactName: "José Núñez",
          contactEmail: "jose@example.com",
          contactPhone: "+1 512 555-0100",
        },
        { id: 3, location: "  Tulsa, OK", ...nobody },
      ],
    });
    assert.equal((await stock())[0]?.warehouse_name, "Boston MA");
  });

  it("refuses warehouses that are taken, unknown or malformed", async () => {
    assert.deepEqual(await refusal(send("POST", "/api/warehouses", { location: "Boston , GA" })), [
      409,
      'There is a warehouse "Boston , GA" already.',
      "location",
    ]);
    assert.deepEqual(
      await refusal(send("PATCH", "/api/warehouses/1", { location: "Boston , GA" })),
      [409, 'There is a warehouse "Boston , GA" already.', "location"],
    );
    assert.deepEqual(await refusal(send("PATCH", "/api/warehouses/99", { contactName: "A" })), [
      404,
      "This warehouse is not there any more.",
    ]);
    assert.deepEqual(await refusal(send("PATCH", "/api/warehouses/1", {})), [
      400,
      "The request must change something.",
      "The request",
    ]);
    assert.deepEqual(
      await refusal(
        send("PATCH", "/api/warehouses/1", { contactEmail: "nobody", contactPhone: "call me" }),
      ),
      [
        400,
        "contactEmail must be an e-mail address; contactPhone must be a telephone number.",
        "contactEmail",
        "contactPhone",
      ],
    );
  });

  it("lists the menu, and answers an unknown address with a problem", async () => {
    assert.deepEqual((await get("/api/menu")).body, {
      menu: [
        { id: 2, item: "Baked beans" },
        { id: 1, item: "Burnt ends" },
      ],
    });
    assert.deepEqual(await refusal(get("/api/nothing")), [
      404,
      "There is nothing at this address.",
    ]);
  });

  it("logs requests with their id, and neither contacts, names nor addresses", async () => {
    const contact = "private.person@example.com";
    await send("POST", "/api/warehouses", { location: "Hidden, TX", contactEmail: contact });
    await send("POST", "/api/warehouses", { location: "Hidden, TX", contactEmail: contact });
    await get("/api/inventory?q=topsecret&warehouse=Hidden");
    await get("/healthz");
    const { headers } = await send("GET", "/api/menu", undefined, { "x-request-id": "asked-for" });
    assert.equal(headers.get("x-request-id"), "asked-for");
    const log = await logged(backend, /asked-for/);
    assert.match(log, /"reqId":"asked-for","method":"GET","route":"\/api\/menu","status":200/);
    assert.doesNotMatch(log, /private|example\.com|Hidden|topsecret|only-for-this-test|healthz/);
    assert.doesNotMatch(log, /remoteAddress|Warning/);
  });
});
