import { strict as assert } from "node:assert";
import { readDeclarations } from "../../components/dynamic/integrityDeclarations";
import { checkIntegrity } from "../../components/dynamic/integrityRun";
import { applyMigrations } from "../../engine/apply";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { failureOf, useFolder } from "../migrationFolder";
import { createDatabase, type TestDatabase, useDatabase } from "../postgres";

const first = `
CREATE TABLE warehouses (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, location text NOT NULL, phone text);
INSERT INTO warehouses (location) VALUES ('Boston, MA'), ('Boston , GA'), ('Austin'), ('Lockhart, TX');
`;

describe("the integrity checks", () => {
  const control = useDatabase();
  const folder = useFolder();
  let candidate: TestDatabase;

  beforeEach(async () => {
    folder.write("0001-a.sql", first);
    await apply(control, "0001-a");
    candidate = await createDatabase(control.name);
  });
  afterEach(() => candidate.drop());

  async function apply(database: Omit<TestDatabase, "drop">, through: string): Promise<void> {
    await applyMigrations({
      migrations: await loadMigrations(folder.path),
      connect: () => database.connect(),
      target: database.name,
      applicationName: "test",
      through,
      lockDeadlineSeconds: 5,
    });
    // A copy is made of a database that nobody uses.
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
  }

  /** Migrates the candidate by a second migration and checks it, against the control or alone. */
  async function migrateAndCheck(expand: string, declaration?: string, alone = false) {
    folder.write("0002-b/expand.sql", expand);
    if (declaration !== undefined) folder.write("0002-b/integrity.yaml", declaration);
    await apply(candidate, "0002-b");
    return check(alone);
  }

  async function check(alone = false) {
    const side = async (name: string, database: Omit<TestDatabase, "drop">) => ({
      name,
      client: await database.connect(),
    });
    return checkIntegrity(
      await side("staging/candidate", candidate),
      alone ? undefined : await side("staging/control", control),
      readDeclarations(folder.path, "0002-b"),
      () => undefined,
    );
  }

  const message = async (action: () => Promise<unknown>): Promise<string> =>
    (await failureOf(action, folder)).replace(/[0-9a-f]{16}/g, "<hash>");

  it("pass a migration that keeps what was there, and say what they saw", async () => {
    const { milliseconds, ...report } = await migrateAndCheck(
      "ALTER TABLE warehouses ADD city text; UPDATE warehouses SET city = split_part(location, ',', 1)",
    );
    const fingerprint = async (database: Omit<TestDatabase, "drop">) =>
      (await schemaFingerprint(await database.connect())).digest;
    assert.deepEqual(report, {
      tables: 1,
      columns: 3,
      rows: 4,
      notCompared: [],
      findings: [],
      schemaFingerprintBefore: await fingerprint(control),
      schemaFingerprintAfter: await fingerprint(candidate),
    });
    assert.ok(Number.isInteger(milliseconds));
  });

  it("stop a backfill that loses the state of 'Boston , GA'", async () => {
    const lossy = `UPDATE warehouses SET location = 'Boston' WHERE location = 'Boston , GA'`;
    assert.equal(
      await message(() => migrateAndCheck(lossy)),
      [
        "UserError: The integrity checks of staging/candidate found a fault; no release runs on it.",
        "table public.warehouses, column location",
        "  expected: 4 values, data fingerprint <hash>",
        "  got:      4 values, data fingerprint <hash>",
        "  changed rows, for example: id=2",
        "Expected is what staging/control holds, which no migration has touched.",
        "Next: correct the migration, or declare the change in its integrity.yaml; then pulumi up",
      ].join("\n  "),
    );
  });

  it("name every fault, missing rows, and what the migration left half done", async () => {
    const harmful = `-- atomic: true
      DELETE FROM warehouses WHERE id = 4; UPDATE warehouses SET location = 'x' WHERE id = 1;
      ALTER TABLE warehouses DROP phone, ADD CONSTRAINT c CHECK (id > 0) NOT VALID;
      ALTER SEQUENCE warehouses_id_seq RESTART 2`;
    assert.equal(
      await message(() => migrateAndCheck(harmful)),
      [
        "UserError: The integrity checks of staging/candidate found 5 faults; no release runs on it.",
        "table public.warehouses, column phone",
        "  expected: a column of this name",
        "  got:      none",
        "table public.warehouses",
        "  expected: 4 rows, data fingerprint <hash>",
        "  got:      3 rows, data fingerprint <hash>",
        "  missing rows, for example: id=4",
        "table public.warehouses, column location",
        "  expected: 4 values, data fingerprint <hash>",
        "  got:      3 values, data fingerprint <hash>",
        "  changed rows, for example: id=1",
        "  missing rows, for example: id=4",
        "constraint not validated: c on public.warehouses",
        "sequence public.warehouses_id_seq would give 2 next; public.warehouses.id holds 3",
        "Expected is what staging/control holds, which no migration has touched.",
        "Next: correct the migration, or declare the change in its integrity.yaml; then pulumi up",
      ].join("\n  "),
    );
  });

  it("let pass what a migration between them declares, and nothing for one that both have", async () => {
    const declaration = "tables: {warehouses: {changed: {location: id = 2}}}";
    const change = "UPDATE warehouses SET location = 'Boston, GA' WHERE id = 2";
    const { rows } = await migrateAndCheck(change, declaration);
    assert.equal(rows, 4);
    await apply(control, "0002-b");
    await control.query("UPDATE warehouses SET location = 'Boston , GA' WHERE id = 2");
    assert.match(await message(() => check()), /table public\.warehouses, column location/);
  });

  it("explain a condition that PostgreSQL refuses", async () => {
    assert.equal(
      await message(() =>
        migrateAndCheck("SELECT 1", "tables: {warehouses: {changed: {location: wharehouse = 2}}}"),
      ),
      [
        "UserError: Cannot compare public.warehouses of staging/candidate and staging/control.",
        'PostgreSQL refused: column "wharehouse" does not exist (42703).',
        "Next: correct the conditions that integrity.yaml gives for this table",
      ].join("\n  "),
    );
  });

  it("refuse a database whose migrations are not done", async () => {
    folder.write("0002-b/expand.sql", "SELECT 1");
    assert.equal(
      await message(() => check()),
      [
        "UserError: staging/candidate cannot be checked: its migrations are not done.",
        "0002-b is pending",
        "Next: pulumi up",
      ].join("\n  "),
    );
  });

  it("refuse a control that is no copy of the same database", async () => {
    await control.query("DROP SCHEMA stateful_cd CASCADE; DROP TABLE warehouses");
    await apply(control, "0001-a");
    assert.match(
      await message(() => migrateAndCheck("SELECT 1")),
      /^UserError: staging\/control is no control for staging\/candidate: they are not copies of the same database\.\n {2}Their journals are .* and .*\.\n {2}Next: declare both from the same snapshot$/,
    );
  });

  it("report without a control, and do not stop for, what was wrong before", async () => {
    await candidate.query("ALTER TABLE warehouses ADD CONSTRAINT c CHECK (id > 0) NOT VALID");
    await control.query("ALTER TABLE warehouses ADD CONSTRAINT c CHECK (id > 0) NOT VALID");
    const findings = ["constraint not validated: c on public.warehouses"];
    const alone = await migrateAndCheck("SELECT 1", undefined, true);
    assert.deepEqual(
      [alone.findings, alone.rows, alone.schemaFingerprintBefore],
      [findings, 0, ""],
    );
    assert.deepEqual(alone.notCompared, ["all data: there is no control to compare it with"]);
    assert.deepEqual((await check()).findings, findings);
  });

  it("say which database and table when the connection is lost meanwhile", async () => {
    folder.write("0002-b/expand.sql", "SELECT 1");
    await apply(candidate, "0002-b");
    const client = await candidate.connect();
    const other = await control.connect();
    const checked = checkIntegrity(
      { name: "staging/candidate", client },
      { name: "staging/control", client: other },
      readDeclarations(folder.path, "0002-b"),
      () => {
        void other.end();
      },
    );
    assert.equal(
      await message(() => checked),
      [
        "UserError: Cannot compare public.warehouses of staging/candidate and staging/control.",
        "The connection to PostgreSQL failed.",
        "Client was closed and is not queryable",
        "Next: see that the server answers, then pulumi up",
      ].join("\n  "),
    );
  });
});
