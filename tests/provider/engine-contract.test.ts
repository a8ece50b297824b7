import { strict as assert } from "node:assert";
import type { ApplyOptions } from "../../engine/apply";
import type { ContractOptions } from "../../engine/contract";
import { readJournal } from "../../engine/journal/journal";
import type { Migration } from "../../engine/files/migration";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { planMigrations } from "../../engine/plan";
import { findDrift } from "../../engine/journal/recordedSchema";
import { ensureServable } from "../../engine/journal/servable";
import { generateSample } from "../bookkeeper";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";

describe("contract", () => {
  const { database, folder, load, ...engine } = useEngine();
  let migrations: readonly Migration[] = [];
  let oldRole = "";

  beforeEach(async () => {
    migrations = await loadMigrations("migrations");
    oldRole = `old_${database.name}`;
    await database.query(`CREATE ROLE ${oldRole} LOGIN PASSWORD 'x'`);
  });
  const apply = (options: Partial<ApplyOptions> = {}) => engine.apply({ migrations, ...options });
  const contract = (options: Partial<ContractOptions> = {}) =>
    engine.contract({ migrations, oldRoles: [{ name: oldRole }], ...options });
  const prepare = async (): Promise<void> => {
    await apply({ through: "0001-bookkeeper" });
    await generateSample(database, 500, "contract");
    await apply();
    await database.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${oldRole}`,
    );
  };
  const columns = async (table: string) =>
    (
      await database.query(
        `SELECT attname || CASE WHEN attnotnull THEN '!' ELSE '' END AS name FROM pg_attribute
          WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
        [table],
      )
    ).map(({ name }) => String(name));

  it("waits for sessions of the old release, then archives its columns in order", async () => {
    await prepare();
    const before = await database.query("SELECT id, warehouse_name FROM inventory ORDER BY id");
    const old = await database.connect({ user: oldRole, password: "x", application_name: "bbq 1" });
    const waits = `an old release is connected: ${oldRole} has a session ('bbq 1')`;
    const first = await contract();
    assert.deepEqual(first, {
      migrations: [
        {
          id: "0002-inventory-warehouse",
          state: "verified",
          contracted: false,
          waiting: waits,
        },
        {
          id: "0003-warehouse-address",
          state: "verified",
          contracted: false,
          waiting: "waits for 0002-inventory-warehouse",
        },
      ],
      waiting: [
        `0002-inventory-warehouse: ${waits}`,
        "0003-warehouse-address: waits for 0002-inventory-warehouse",
      ],
    });
    await old.end();
    const second = await contract();
    assert.deepEqual(
      [second.waiting, second.migrations.map(({ state, contracted }) => [state, contracted])],
      [
        [],
        [
          ["done", true],
          ["done", true],
        ],
      ],
    );
    assert.deepEqual(await columns("inventory"), [
      "id!",
      "name!",
      "quantity!",
      "unit_price",
      "_dropped_warehouse_name",
      "date_added!",
      "words!",
      "warehouse_id!",
    ]);
    assert.deepEqual(await columns("warehouses"), [
      "id!",
      "_dropped_location",
      "contact_name",
      "contact_email",
      "contact_phone",
      "city!",
      "state",
    ]);
    assert.deepEqual(
      await database.query(
        "SELECT id, _dropped_warehouse_name AS warehouse_name FROM inventory ORDER BY id",
      ),
      before,
    );
    assert.deepEqual(
      await database.query(
        `SELECT conname, convalidated FROM pg_constraint
          WHERE contype = 'f' AND conrelid = 'inventory'::regclass`,
      ),
      [{ conname: "inventory_warehouse_id_fkey", convalidated: true }],
    );
    assert.deepEqual(
      await database.query(
        `SELECT proname FROM pg_proc WHERE pronamespace = 'stateful_cd'::regnamespace
         UNION SELECT relname FROM pg_class WHERE relname LIKE 'stateful\\_cd\\_%'
         UNION SELECT tgname FROM pg_trigger WHERE tgname LIKE '~%'`,
      ),
      [],
    );
    assert.deepEqual(await findDrift(await database.connect()), []);
  });

  it("shuts the old release out for good, and the new one goes on", async () => {
    await prepare();
    await contract();
    await assert.rejects(database.connect({ user: oldRole, password: "x" }), {
      message: `role "${oldRole}" is not permitted to log in`,
    });
    await assert.rejects(database.query("SELECT location FROM warehouses"), {
      message: 'column "location" does not exist',
    });
    await database.query(
      `WITH w AS (INSERT INTO warehouses (city, state) VALUES ('Waco', 'TX') RETURNING id)
       INSERT INTO inventory (name, quantity, warehouse_id) SELECT 'Rub', 1, id FROM w`,
    );
    await assert.rejects(
      database.query(
        "INSERT INTO inventory (name, quantity, warehouse_id) VALUES ('Rub', 1, 7777)",
      ),
      { code: "23503", constraint: "inventory_warehouse_id_fkey" },
    );
  });

  it("writes nothing the second time", async () => {
    await prepare();
    await contract();
    const runs = await database.query("SELECT * FROM stateful_cd.runs");
    const again = await contract();
    assert.deepEqual(
      again.migrations.map(({ state, contracted }) => [state, contracted]),
      [
        ["done", false],
        ["done", false],
      ],
    );
    assert.deepEqual(again.waiting, []);
    assert.deepEqual(await database.query("SELECT * FROM stateful_cd.runs"), runs);
  });

  it("waits for what is not verified yet", async () => {
    await apply({ through: "0001-bookkeeper" });
    assert.deepEqual((await contract()).waiting, [
      "0002-inventory-warehouse: is pending, and must be verified first",
      "0003-warehouse-address: waits for 0002-inventory-warehouse",
    ]);
  });

  it("waits while the audit finds a row that disagrees, and says which", async () => {
    await prepare();
    const replica = await database.connect();
    await replica.query(
      "SET session_replication_role = replica; UPDATE warehouses SET city = 'Elsewhere' WHERE id = 1",
    );
    const { waiting, migrations: found } = await contract();
    assert.deepEqual(waiting, [
      '0003-warehouse-address: the audit found a mistake. Rows of public.warehouses that disagree between the old and the new columns: 1, the first is id 1: {"location":"Boston, MA","city":"Elsewhere","state":"MA"}; correct the wrong side, or npm run migrations -- audit --repair trusts the old one',
    ]);
    assert.deepEqual(
      found.map(({ state }) => state),
      ["done", "rolled_out"],
    );
  });

  it("waits while a trigger is missing", async () => {
    await prepare();
    await database.query('ALTER TABLE warehouses DISABLE TRIGGER "~stateful_cd_2_adopt_insert"');
    assert.deepEqual((await contract()).waiting, [
      "0002-inventory-warehouse: the audit found a mistake. The trigger ~stateful_cd_2_adopt_insert of public.warehouses is not there, or not enabled; npm run migrations -- audit --repair puts it back",
      "0003-warehouse-address: waits for 0002-inventory-warehouse",
    ]);
  });

  it("waits for a lock that others hold, and goes on from there", async () => {
    await prepare();
    const reader = await database.connect({ application_name: "a long report" });
    await reader.query("BEGIN; SELECT FROM warehouses");
    const first = await contract({ tableLockDeadlineSeconds: 1 });
    assert.match(
      first.waiting[0] ?? "",
      /^0002-inventory-warehouse: Migration 0002-inventory-warehouse stopped while ending the old shape: others hold public\.inventory, public\.warehouses\. .*blocked by pid \d+, user postgres, application 'a long report'/,
    );
    assert.equal(first.migrations[0]?.state, "contracting");
    assert.equal((await apply()).migrations[1]?.state, "contracting");
    await reader.query("COMMIT");
    assert.deepEqual((await contract()).waiting, []);
  });

  it("is shown by the plan until it is done", async () => {
    await prepare();
    const later = async () =>
      (await planMigrations(await database.connect(), migrations)).migrations.map((m) =>
        m.later.filter((line) => !line.includes("about")),
      );
    assert.deepEqual(await later(), [
      [],
      [
        "contract  warehouse_name becomes _dropped_warehouse_name; once no old release is connected",
      ],
      [
        "contract  contract.sql, location becomes _dropped_location; once no old release is connected",
        "          migrations/0003-warehouse-address/contract.sql:2  ALTER TABLE public.warehouses ALTER COLUMN city SET NOT NULL",
        "            locks public.warehouses: ACCESS EXCLUSIVE",
      ],
    ]);
    await contract();
    assert.deepEqual(await later(), [[], [], []]);
  });

  it("lets an older release back before it, and refuses it after", async () => {
    await prepare();
    const journal = async () => readJournal(await database.connect());
    ensureServable(await journal(), "0001-bookkeeper");
    assert.equal((await apply({ through: "0001-bookkeeper" })).migrations[0]?.state, "done");
    await contract({ through: "0002-inventory-warehouse" });
    ensureServable(await journal(), "0003-warehouse-address");
    ensureServable(await journal(), "0002-inventory-warehouse");
    const contracted = await journal();
    assert.throws(
      () => {
        ensureServable(contracted, "0001-bookkeeper");
      },
      {
        message: [
          "A release whose last migration is 0001-bookkeeper cannot be served: 0002-inventory-warehouse is contracted.",
          "The columns that it reads and writes are gone from their names.",
          "Data of the old shape is archived in columns called _dropped_<name>.",
          "Next: serve a release that knows these migrations",
        ].join("\n  "),
      },
    );
  });

  it("shows where contract.sql failed, keeps nothing of it, and takes the corrected file", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int PRIMARY KEY)");
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int");
    folder.write("0002-b/contract.sql", "ALTER TABLE t DROP COLUMN b;\nSELECT 1/0;");
    migrations = await load();
    await apply();
    assert.equal(
      await failureOf(() => contract(), folder),
      [
        "UserError: Migration 0002-b failed: division by zero (22012).",
        "migrations/0002-b/contract.sql:2:1 (statement 2 of 2)",
        "2 | SELECT 1/0;",
        "  | ^",
        "Nothing of the contract was kept: its transaction was rolled back.",
        "Next: correct migrations/0002-b/contract.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    assert.deepEqual(await columns("t"), ["a!", "b"]);
    folder.write("0002-b/contract.sql", "ALTER TABLE t DROP COLUMN b");
    migrations = await load();
    assert.deepEqual((await contract()).waiting, []);
    assert.deepEqual(await columns("t"), ["a!", "........pg.dropped.2........"]);
  });

  it("refuses a statement in contract.sql that cannot be part of one transaction", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0001-a/contract.sql", "DROP INDEX CONCURRENTLY i");
    assert.equal(
      await failureOf(load, folder),
      [
        "UserError: The migrations in migrations have a mistake; nothing was run.",
        "contract.sql is one transaction: this statement cannot be part of it.",
        "  migrations/0001-a/contract.sql:1:1",
        "  1 | DROP INDEX CONCURRENTLY i",
        "    | ^",
        "  fix: put it into a later migration",
        "Next: correct the files named above",
      ].join("\n  "),
    );
  });
});
