import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, DatabaseError } from "pg";
import { applyMigrations } from "../../engine/apply";
import type { Migration } from "../../engine/files/migration";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { call, generateSample, scratchFolder, startBackend, useBookkeeper } from "../bookkeeper";
import { cli } from "../engineScene";
import { createDatabase, useDatabase } from "../postgres";

/** Numbers that are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("both releases writing at once", () => {
  const database = useDatabase();
  useBookkeeper();
  let migrations: readonly Migration[] = [];

  beforeEach(async function () {
    this.timeout(120_000);
    migrations = await loadMigrations("migrations");
    await apply("0001-bookkeeper");
  });

  const apply = (through?: string) =>
    applyMigrations({
      connect: database.connect,
      migrations,
      ...(through === undefined ? {} : { through }),
    });

  /** Rows where the two shapes disagree. */
  const disagreements = async () => [
    ...(await database.query(
      `SELECT i.id, i.warehouse_name, i.warehouse_id, w.location FROM inventory i
         LEFT JOIN warehouses w ON w.id = i.warehouse_id
        WHERE w.location IS DISTINCT FROM i.warehouse_name`,
    )),
    ...(await database.query(
      `SELECT id, location, city, state FROM warehouses
        WHERE (bbq.city_of(location), bbq.state_of(location)) IS DISTINCT FROM (city, state)`,
    )),
  ];

  interface Writers {
    readonly stop: () => Promise<void>;
    /** Every location that somebody has written, or that was there. */
    readonly spellings: Set<string>;
    readonly count: () => number;
    readonly errors: string[];
  }

  /** Sessions that write without a pause until they are stopped, each in its own order. */
  async function startWriters(
    shapes: readonly ((
      client: Client,
      random: (below: number) => number,
      spellings: Set<string>,
    ) => Promise<void>)[],
  ): Promise<Writers> {
    const locations = await database.query("SELECT location FROM warehouses");
    const spellings = new Set(locations.map(({ location }) => String(location)));
    const errors: string[] = [];
    let count = 0;
    let stopped = false;
    const writers = shapes.map(async (write, index) => {
      const client = await database.connect();
      const random = numbers(index + 1);
      while (!stopped) {
        await write(client, random, spellings).then(
          () => count++,
          async (error: unknown) => {
            await client.query("ROLLBACK");
            // Another writer has taken the location, or the two waited for each other.
            const passing = ["23505", "40P01"];
            if (error instanceof DatabaseError && passing.includes(error.code ?? "")) return;
            errors.push(String(error));
          },
        );
        await sleep(2);
      }
      await client.end();
    });
    const stop = async (): Promise<void> => {
      stopped = true;
      await Promise.all(writers);
    };
    return { stop, spellings, count: () => count, errors };
  }

  const cities = ["Boston", "Macon", "St. Louis", "Austin", "Ayden", "Lima"];
  const states = ["MA", "GA", "MO", "TX", null];
  const pick = <T>(random: (below: number) => number, list: readonly T[]): T =>
    list[random(list.length)] as T;

  /** Release 1.0.0's own statements. */
  async function writeOldShape(
    client: Client,
    random: (below: number) => number,
    spellings: Set<string>,
  ) {
    const id = 1 + random(12);
    const state = pick(random, states);
    const comma = pick(random, [", ", " , ", ",", " ,  "]);
    const location = `${pick(random, cities)} ${random(5)}${state === null ? "" : `${comma}${state}`}`;
    await client.query("BEGIN");
    switch (random(4)) {
      case 0: {
        const { rows } = await client.query<{ location: string }>(
          "SELECT location FROM warehouses WHERE id = $1 FOR NO KEY UPDATE",
          [id],
        );
        spellings.add(location);
        await client.query(
          "UPDATE warehouses SET location = $2, contact_name = contact_name WHERE id = $1",
          [id, location],
        );
        await client.query("UPDATE inventory SET warehouse_name = $2 WHERE warehouse_name = $1", [
          rows[0]?.location,
          location,
        ]);
        break;
      }
      case 1:
        await client.query(
          `WITH warehouse AS (SELECT location FROM warehouses WHERE id = $1 FOR KEY SHARE)
           INSERT INTO inventory (name, quantity, warehouse_name) SELECT 'old', 1, location FROM warehouse`,
          [id],
        );
        break;
      case 2:
        await client.query("UPDATE inventory SET quantity = quantity + 1 WHERE id = $1", [
          1 + random(3000),
        ]);
        break;
      case 3: {
        const { rows } = await client.query<{ location: string }>(
          "SELECT location FROM warehouses WHERE id = $1 FOR NO KEY UPDATE",
          [id],
        );
        await client.query("UPDATE inventory SET warehouse_name = $2 WHERE id = $1", [
          1 + random(3000),
          rows[0]?.location,
        ]);
      }
    }
    await client.query("COMMIT");
  }

  /** What release 2.0.0 writes: ids, cities and states, never an old column. */
  async function writeNewShape(
    client: Client,
    random: (below: number) => number,
    spellings: Set<string>,
  ) {
    const id = 1 + random(12);
    const city = `${pick(random, cities)} ${random(5)}`;
    const state = pick(random, states);
    await client.query("BEGIN");
    switch (random(4)) {
      case 0:
        await client.query("SELECT FROM warehouses WHERE id = $1 FOR NO KEY UPDATE", [id]);
        spellings.add(state === null ? city : `${city}, ${state}`);
        await client.query("UPDATE warehouses SET city = $2, state = $3 WHERE id = $1", [
          id,
          city,
          state,
        ]);
        break;
      case 1:
        await client.query(
          "INSERT INTO inventory (name, quantity, warehouse_id) VALUES ('new', 1, $1)",
          [id],
        );
        break;
      case 2:
        await client.query(
          "UPDATE warehouses SET city = city, state = state, contact_phone = '1' WHERE id = $1",
          [id],
        );
        break;
      case 3:
        await client.query("UPDATE inventory SET warehouse_id = $2 WHERE id = $1", [
          1 + random(3000),
          id,
        ]);
    }
    await client.query("COMMIT");
  }

  const ensureNoSpellingSpoiled = async (spellings: Set<string>): Promise<void> => {
    const found = await database.query("SELECT location FROM warehouses");
    assert.deepEqual(
      found.filter(({ location }) => !spellings.has(String(location))),
      [],
    );
  };

  it("leaves no row that disagrees and no spelling spoiled, before, during and after the backfill", async function () {
    this.timeout(180_000);
    await generateSample(database, 10_000, "dual");
    const untouched = "SELECT id, location FROM warehouses WHERE id > 12 ORDER BY id";
    const before = await database.query(untouched);
    const old = await startWriters([writeOldShape, writeOldShape, writeOldShape]);
    await apply();
    const during = old.count();
    const both = await startWriters([writeNewShape, writeNewShape, writeNewShape]);
    for (const { location } of await database.query("SELECT location FROM warehouses")) {
      old.spellings.add(String(location));
    }
    while (both.count() < 150) await sleep(20);
    await Promise.all([old.stop(), both.stop()]);
    assert.deepEqual([...old.errors, ...both.errors], []);
    assert.ok(during > 20, `${during} writes during the migration`);
    assert.deepEqual(await disagreements(), []);
    await ensureNoSpellingSpoiled(new Set([...old.spellings, ...both.spellings]));
    assert.deepEqual(await database.query(untouched), before);
    const written = await database.query(
      "SELECT count(*)::int AS n FROM inventory WHERE name IN ('old', 'new') AND warehouse_id IS NULL",
    );
    assert.deepEqual(written, [{ n: 0 }]);
  });

  it("converges after kill -9 in the middle of the backfill", async function () {
    this.timeout(180_000);
    await generateSample(database, 10_000, "killed");
    const old = await startWriters([writeOldShape, writeOldShape]);
    const seen = async () => {
      const [table] = await database.query("SELECT to_regclass('stateful_cd.backfills') AS t");
      if (table?.t === null) return 0;
      const [row] = await database.query(
        "SELECT rows_seen::int AS n, finished_at FROM stateful_cd.backfills",
      );
      return row?.finished_at === null ? Number(row.n) : 0;
    };
    const child = spawn(process.execPath, [cli, "apply", "--database-url", database.url], {
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    while ((await seen()) === 0 && child.exitCode === null) await sleep(5);
    child.kill("SIGKILL");
    await ended;
    const [cut] = await database.query(
      `SELECT m.state, b.rows_seen::int AS n, (SELECT count(*)::int FROM inventory WHERE warehouse_id IS NULL) AS left
         FROM stateful_cd.migrations m JOIN stateful_cd.backfills b ON b.migration = m.id`,
    );
    assert.equal(cut?.state, "backfilling");
    assert.ok(Number(cut.n) > 0 && Number(cut.left) > 0, JSON.stringify(cut));
    const result = await apply();
    await old.stop();
    assert.deepEqual(
      result.migrations.map(({ state }) => state),
      ["done", "verified", "verified"],
    );
    assert.deepEqual(old.errors, []);
    assert.deepEqual(await disagreements(), []);
  });

  it("is gone on with in a copy of the database that was taken half way", async () => {
    await generateSample(database, 2_000, "copy");
    await database.query("INSERT INTO warehouses (location) VALUES (', MA')");
    await assert.rejects(apply());
    const copy = await createDatabase(database.name);
    try {
      await copy.query("UPDATE warehouses SET location = 'Lynn, MA' WHERE location = ', MA'");
      const result = await applyMigrations({ connect: copy.connect, migrations });
      assert.match(result.recognised ?? "", /^database \d+ of server \d+$/);
      assert.deepEqual(
        result.migrations.map(({ state }) => state),
        ["done", "verified", "verified"],
      );
    } finally {
      await copy.drop();
    }
  });

  it("lists a location that does not parse, and stops until it is corrected", async () => {
    await database.query("INSERT INTO warehouses (location) VALUES ('Boston , GA'), (' , MA')");
    await assert.rejects(apply(), {
      message: [
        "Migration 0003-warehouse-address is blocked: Rows of public.warehouses that do not convert: 1.",
        'id 2: {"location":" , MA","city":null,"state":null}',
        "Next: correct these rows, or allow NULL with rejects: allow-null in sync.yaml; then run the same command again",
      ].join("\n  "),
    });
    const listed = () => database.query("SELECT key, old_values FROM stateful_cd.rejects");
    assert.deepEqual(await listed(), [{ key: ["2"], old_values: { location: " , MA" } }]);
    await database.query("UPDATE warehouses SET location = 'Salem , MA' WHERE id = 2");
    await apply();
    assert.deepEqual(await listed(), []);
  });

  describe("with a rename", () => {
    const prepare = async () => {
      await generateSample(database, 1_000, "rename");
      await apply();
    };
    const place = async () =>
      (
        await database.query(
          `SELECT w.location, w.city, w.state, count(*)::int AS rows,
                  count(*) FILTER (WHERE i.warehouse_name = w.location)::int AS named
             FROM warehouses w JOIN inventory i ON i.warehouse_id = w.id WHERE w.id = 2
            GROUP BY w.id`,
        )
      )[0];

    it("on either side, in both orders, takes every row along", async () => {
      await prepare();
      const rows = (await place())?.rows;
      const old = async (location: string) => {
        const client = await database.connect();
        const before = await client.query<{ location: string }>(
          "SELECT location FROM warehouses WHERE id = 2",
        );
        await client.query("BEGIN");
        await client.query("UPDATE warehouses SET location = $1 WHERE id = 2", [location]);
        await client.query("UPDATE inventory SET warehouse_name = $2 WHERE warehouse_name = $1", [
          before.rows[0]?.location,
          location,
        ]);
        await client.query("COMMIT");
        await client.end();
      };
      await old("Athens , TX");
      assert.deepEqual(await place(), {
        location: "Athens , TX",
        city: "Athens",
        state: "TX",
        rows,
        named: rows,
      });
      await database.query("UPDATE warehouses SET city = 'Athens', state = 'TX' WHERE id = 2");
      assert.equal((await place())?.location, "Athens , TX");
      await database.query("UPDATE warehouses SET city = 'Sparta' WHERE id = 2");
      assert.deepEqual(await place(), {
        location: "Sparta, TX",
        city: "Sparta",
        state: "TX",
        rows,
        named: rows,
      });
      await old("sparta,tx");
      assert.deepEqual(await place(), {
        location: "sparta,tx",
        city: "sparta",
        state: "TX",
        rows,
        named: rows,
      });
    });

    it("by release 1.0.0 itself, while release 2.0.0's columns are there", async () => {
      await prepare();
      const backend = await startBackend(await login());
      const renamed = await call(`${backend.url}/api/warehouses/2`, "PATCH", {
        location: "Troy , NY",
      });
      assert.equal(renamed.status, 200);
      const added = await call(`${backend.url}/api/inventory`, "POST", {
        name: "Rub",
        quantity: 1,
        warehouse: "Troy , NY",
      });
      assert.equal(added.status, 201);
      const found = await place();
      assert.deepEqual(
        [found?.city, found?.state, found?.rows === found?.named],
        ["Troy", "NY", true],
      );
      assert.deepEqual(await disagreements(), []);
    });

    async function outcomeOf(client: Client, statement: Promise<unknown>): Promise<string> {
      try {
        await statement;
        return "done";
      } catch (error) {
        return error instanceof DatabaseError ? (error.code ?? "") : String(error);
      } finally {
        await client.query("COMMIT");
      }
    }

    /** What a backend of 1.0.0 needs to log in with the rights of the application's group role. */
    async function login(): Promise<Record<string, string>> {
      const role = `bbq_${database.name}`;
      const file = path.join(scratchFolder(), `${database.name}.password`);
      writeFileSync(file, "only-for-this-test");
      await database.query(`
        CREATE ROLE ${role} LOGIN PASSWORD 'only-for-this-test';
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
      return {
        DATABASE_HOST: database.config.host,
        DATABASE_PORT: String(database.config.port),
        DATABASE_NAME: database.name,
        DATABASE_USER: role,
        DATABASE_PASSWORD_FILE: file,
      };
    }

    it("against a bulk update that moves further rows is a deadlock: one of the two is told so, and succeeds when tried again", async function () {
      this.timeout(60_000);
      await prepare();
      const renamer = await database.connect();
      const bulk = await database.connect();
      for (let round = 0; round < 2; round++) {
        await database.query("UPDATE inventory SET warehouse_id = 3 WHERE id <= 20");
        // The bulk update holds rows of warehouse 2 and then needs the warehouse itself.
        await bulk.query(
          "BEGIN; UPDATE inventory SET quantity = quantity + 1 WHERE warehouse_id = 2",
        );
        await renamer.query("BEGIN");
        const rename = renamer.query("UPDATE warehouses SET city = $1 WHERE id = 2", [
          `Round ${round}`,
        ]);
        await sleep(50);
        const move = bulk.query("UPDATE inventory SET warehouse_id = 2 WHERE id <= 20");
        const codes = await Promise.all([outcomeOf(renamer, rename), outcomeOf(bulk, move)]);
        // Nobody else is cancelled, and nothing of the one that was is left.
        assert.deepEqual([...codes].sort(), ["40P01", "done"]);
        assert.deepEqual(await disagreements(), []);
        await database.query(
          codes[0] === "done"
            ? "UPDATE inventory SET warehouse_id = 2 WHERE id <= 20"
            : "UPDATE warehouses SET city = 'Again' WHERE id = 2",
        );
        assert.deepEqual(await disagreements(), []);
        assert.deepEqual(
          await database.query(
            "SELECT DISTINCT warehouse_id::int AS id, warehouse_name = location AS same FROM inventory JOIN warehouses w ON w.id = 2 WHERE inventory.id <= 20",
          ),
          [{ id: 2, same: true }],
        );
      }
    });
  });
});
