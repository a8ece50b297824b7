import { strict as assert } from "node:assert";
import path from "node:path";
import { readDeclarations } from "../../components/dynamic/integrityDeclarations";
import { checkIntegrity } from "../../components/dynamic/integrityRun";
import { applyMigrations } from "../../engine/apply";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { generateSample } from "../bookkeeper";
import { failureOf } from "../migrationFolder";
import { createDatabase, type TestDatabase, useDatabase } from "../postgres";

const folder = path.join(__dirname, "..", "..", "..", "migrations");
const last = "0003-warehouse-address";

describe("release 2.0.0 on a copy of production", function () {
  this.timeout(120_000);
  const control = useDatabase();
  let candidate: TestDatabase;

  beforeEach(async () => {
    await apply(control, "0001-bookkeeper");
    await generateSample(control, 10_000, "integrity");
    candidate = await createDatabase(control.name);
    await apply(candidate, last);
  });
  afterEach(() => candidate.drop());

  async function apply(database: Omit<TestDatabase, "drop">, through: string): Promise<void> {
    await applyMigrations({
      connect: () => database.connect(),
      migrations: await loadMigrations(folder),
      through,
    });
    // A copy is made of a database that nobody uses.
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
  }

  const check = async () =>
    checkIntegrity(
      { name: "candidate", client: await candidate.connect() },
      { name: "control", client: await control.connect() },
      readDeclarations(folder, last),
      () => undefined,
    );

  it("keeps every value of every column of 1.0.0", async () => {
    const { tables, columns, rows, notCompared, findings } = await check();
    const [counted] = await control.query(
      `SELECT (SELECT count(*) FROM menu) + (SELECT count(*) FROM warehouses)
            + (SELECT count(*) FROM inventory) AS rows`,
    );
    assert.deepEqual(
      { tables, columns, rows, notCompared, findings },
      { tables: 4, columns: 18, rows: Number(counted?.rows), notCompared: [], findings: [] },
    );
  });

  it("is stopped where 'Boston , GA' has lost its state, in one row of all", async () => {
    await candidate.query(
      `ALTER TABLE warehouses DISABLE TRIGGER USER; ALTER TABLE inventory DISABLE TRIGGER USER;
       UPDATE warehouses SET location = city WHERE location = 'Boston , GA'`,
    );
    const [{ id } = { id: 0 }] = await control.query(
      "SELECT id FROM warehouses WHERE location = 'Boston , GA'",
    );
    const message = await failureOf(check);
    const found = message.slice(
      message.indexOf("table public.warehouses"),
      message.indexOf("Expected"),
    );
    assert.match(
      found,
      /^table public\.warehouses, column location\n {4}expected: \d+ values, data fingerprint [0-9a-f]{16}\n/,
    );
    assert.match(found, new RegExp(`changed rows, for example: id=${String(id)}\n`));
    assert.doesNotMatch(message, /Boston/);
  });
});
