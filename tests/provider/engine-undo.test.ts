import { strict as assert } from "node:assert";
import type { ContractOptions } from "../../engine/contract";
import type { Migration } from "../../engine/files/migration";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { findDrift } from "../../engine/journal/recordedSchema";
import { generateSample } from "../bookkeeper";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";

describe("undo", () => {
  const { database, folder, states, ...engine } = useEngine();

  describe("of the demo's two migrations", () => {
    const lookup = "0002-inventory-warehouse";
    const address = "0003-warehouse-address";
    let migrations: readonly Migration[] = [];
    let oldRole = "";
    const contract = (options: Partial<ContractOptions> = {}) =>
      engine.contract({ migrations, ...options });
    const undo = (id: string) => engine.undo(id, { migrations });
    const warehouses = () =>
      database.query("SELECT id, location, city, state FROM warehouses ORDER BY id");
    const disagreeing = () =>
      database.query(
        `SELECT w.id FROM warehouses w
          WHERE bbq.city_of(location) IS DISTINCT FROM city OR bbq.state_of(location) IS DISTINCT FROM state
         UNION ALL
         SELECT i.id FROM inventory i LEFT JOIN warehouses w ON w.id = i.warehouse_id
          WHERE i.warehouse_name IS DISTINCT FROM w.location`,
      );

    beforeEach(async () => {
      migrations = await loadMigrations("migrations");
      oldRole = `old_${database.name}`;
      await database.query(`CREATE ROLE ${oldRole} LOGIN PASSWORD 'x'`);
      await engine.apply({ migrations, through: "0001-bookkeeper" });
      await generateSample(database, 500, "undo");
      await engine.apply({ migrations });
      await database.query("UPDATE warehouses SET location = 'Boston , ma' WHERE id = 1");
    });

    it("brings back what was archived, and what was written since, in both directions", async () => {
      const before = await warehouses();
      await contract({ oldRoles: [{ name: oldRole }] });
      await assert.rejects(database.connect({ user: oldRole, password: "x" }));
      await database.query(
        `UPDATE warehouses SET city = 'Waco', state = 'TX' WHERE id = 2;
         INSERT INTO warehouses (id, city, state) OVERRIDING SYSTEM VALUE VALUES (9001, 'Salem', 'OR'), (9002, 'Nome', NULL);
         UPDATE inventory SET warehouse_id = 9001 WHERE id = (SELECT min(id) FROM inventory);
         INSERT INTO inventory (id, name, quantity, warehouse_id) OVERRIDING SYSTEM VALUE VALUES (90001, 'Rub', 1, 9002)`,
      );
      assert.deepEqual(await undo(address), { id: address, state: "verified", undone: true });
      await assert.rejects(database.connect({ user: oldRole, password: "x" }));
      assert.deepEqual(await undo(lookup), { id: lookup, state: "verified", undone: true });
      const session = await database.connect({ user: oldRole, password: "x" });
      await session.end();
      const expected = before.map((row) =>
        row.id === "2" ? { id: "2", location: "Waco, TX", city: "Waco", state: "TX" } : row,
      );
      assert.deepEqual(await warehouses(), [
        ...expected,
        { id: "9001", location: "Salem, OR", city: "Salem", state: "OR" },
        { id: "9002", location: "Nome", city: "Nome", state: null },
      ]);
      assert.deepEqual(expected[0], {
        id: "1",
        location: "Boston , ma",
        city: "Boston",
        state: "MA",
      });
      assert.deepEqual(await disagreeing(), []);
      assert.deepEqual(
        await database.query(
          "SELECT id, warehouse_name FROM inventory WHERE id = 90001 OR id = (SELECT min(id) FROM inventory) ORDER BY id",
        ),
        [
          { id: "1", warehouse_name: "Salem, OR" },
          { id: "90001", warehouse_name: "Nome" },
        ],
      );
      await database.query(
        `UPDATE warehouses SET location = 'Reno, NV' WHERE id = 9002;
         INSERT INTO warehouses (id, location) OVERRIDING SYSTEM VALUE VALUES (9003, '?');
         INSERT INTO inventory (id, name, quantity, warehouse_name) OVERRIDING SYSTEM VALUE VALUES (90002, 'Rub', 1, '?')`,
      );
      assert.deepEqual(await disagreeing(), []);
      assert.deepEqual(
        await database.query(
          `SELECT attname AS name FROM pg_attribute WHERE attnotnull AND attnum > 0
            AND (attrelid, attname) IN (('warehouses'::regclass, 'location'), ('warehouses'::regclass, 'city'),
              ('inventory'::regclass, 'warehouse_name'), ('inventory'::regclass, 'warehouse_id')) ORDER BY 1`,
        ),
        [{ name: "location" }, { name: "warehouse_name" }],
      );
      assert.deepEqual(await findDrift(await database.connect()), []);
      assert.deepEqual(await undo(address), { id: address, state: "verified", undone: false });
    });

    it("can be contracted again, and undone again", async () => {
      await contract();
      await undo(address);
      await contract();
      await database.query("UPDATE warehouses SET city = 'Waco', state = 'TX' WHERE id = 2");
      assert.deepEqual(await states(), {
        "0001-bookkeeper": "done",
        [lookup]: "done",
        [address]: "done",
      });
      await undo(address);
      await undo(lookup);
      assert.deepEqual(await disagreeing(), []);
    });

    it("starts with the newest where one needs what another has archived", async () => {
      await contract();
      assert.equal(
        await failureOf(() => undo(lookup)),
        [
          `UserError: Migration ${lookup} cannot be undone.`,
          `public.warehouses has no column location any more: ${address} has archived it.`,
          `Next: npm run migrations -- undo ${address}`,
        ].join("\n  "),
      );
      assert.equal((await states())[lookup], "done");
    });

    it("lets a contract that did not come to its end go", async () => {
      const reader = await database.connect();
      await reader.query("BEGIN; SELECT FROM warehouses");
      await contract({ tableLockDeadlineSeconds: 1, oldRoles: [{ name: oldRole }] });
      assert.equal((await states())[lookup], "contracting");
      await reader.query("COMMIT");
      await undo(lookup);
      assert.equal((await states())[lookup], "verified");
      const session = await database.connect({ user: oldRole, password: "x" });
      await session.end();
      await database.query(
        "INSERT INTO inventory (id, name, quantity, warehouse_name) OVERRIDING SYSTEM VALUE VALUES (90002, 'Rub', 1, 'nowhere')",
      );
    });
  });

  describe("of a small migration", () => {
    const { apply, contract, undo } = engine;

    beforeEach(async () => {
      folder.write(
        "0001-t.sql",
        "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT i, i::text FROM generate_series(1, 2000) i",
      );
      folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int;");
      folder.write(
        "0002-b/sync.yaml",
        [
          "table: t\nold: [a]\nnew: [b]",
          "forward: { b: \"CASE WHEN a ~ '^[0-9]{1,8}$' THEN a::int END\" }",
          "reverse: { a: \"coalesce(b::text, '')\" }",
          "rejects: allow-null",
        ].join("\n"),
      );
      await apply();
    });

    it("leaves values that say nothing new as they were, and stops at those that cannot come back", async () => {
      await database.query(
        "UPDATE t SET a = 'seven' WHERE id = 7; UPDATE t SET a = '0010' WHERE id = 10",
      );
      await contract();
      await database.query("UPDATE t SET b = -5 WHERE id = 5");
      assert.equal(
        await failureOf(() => undo("0002-b")),
        [
          "UserError: The undo of 0002-b stops: Rows of public.t that disagree between the old and the new columns: 1.",
          'id 5: {"a":"5","b":-5}',
          "The old columns are kept up to date, and old releases are still shut out.",
          "Next: correct these rows, then run the same command again",
        ].join("\n  "),
      );
      assert.equal((await states())["0002-b"], "undoing");
      assert.match(
        (await contract()).waiting.join(),
        /^0002-b: is undoing, and must be verified first$/,
      );
      await database.query("UPDATE t SET b = 55 WHERE id = 5");
      await undo("0002-b");
      assert.deepEqual(
        await database.query("SELECT * FROM t WHERE id IN (5, 6, 7, 10) ORDER BY id"),
        [
          { id: 5, a: "55", b: 55 },
          { id: 6, a: "6", b: 6 },
          { id: 7, a: "seven", b: null },
          { id: 10, a: "0010", b: 10 },
        ],
      );
    });

    it("refuses without an archive, after days that were counted", async () => {
      await contract();
      assert.deepEqual((await contract({ keepDays: 1 })).waiting, []);
      assert.equal((await database.query("SELECT _dropped_a FROM t")).length, 2000);
      const before = await database.query("SELECT epoch FROM stateful_cd.journal");
      await contract({ keepDays: 1 });
      assert.deepEqual(await database.query("SELECT epoch FROM stateful_cd.journal"), before);
      await database.query(
        "UPDATE stateful_cd.archives SET archived_at = archived_at - interval '25 hours'",
      );
      const told: string[] = [];
      await contract({ keepDays: 1, onProgress: ({ message }) => told.push(message) });
      assert.deepEqual(told, ["dropping _dropped_a of public.t, archived 1 days ago"]);
      assert.deepEqual(await database.query("SELECT * FROM t WHERE id = 3"), [{ id: 3, b: 3 }]);
      assert.deepEqual(await findDrift(await database.connect()), []);
      assert.equal(
        await failureOf(() => undo("0002-b")),
        [
          "UserError: Migration 0002-b cannot be undone.",
          "_dropped_a of public.t has been dropped.",
          "Next: go forward: write a new migration",
        ].join("\n  "),
      );
    });

    it("refuses what has no contract, and a contract.sql without undo.sql", async () => {
      assert.equal(
        await failureOf(() => undo("0001-t")),
        [
          "UserError: Migration 0001-t cannot be undone.",
          "It is a plain file, which has no contract: there is no contract to undo.",
          "Next: write a new migration that takes back what it did",
        ].join("\n  "),
      );
      folder.write("0003-c/expand.sql", "ALTER TABLE t ADD c int");
      folder.write("0003-c/contract.sql", "ALTER TABLE t ALTER COLUMN c SET DEFAULT 3");
      await apply();
      await contract();
      assert.equal(
        await failureOf(() => undo("0003-c")),
        [
          "UserError: Migration 0003-c cannot be undone.",
          "Its contract.sql did more than rename columns, and nothing tells what takes that back.",
          "Next: write migrations/0003-c/undo.sql, then run the same command again",
        ].join("\n  "),
      );
      folder.write("0003-c/undo.sql", "ALTER TABLE t ALTER COLUMN c DROP DEFAULT");
      await undo("0003-c");
      assert.equal((await states())["0003-c"], "verified");
      await contract();
      assert.equal((await states())["0003-c"], "done");
    });
  });
});
