import { strict as assert } from "node:assert";
import { journalVersion } from "../../engine/journal/journalSchema";
import { useEngine } from "../engineScene";
import { startStandby } from "../postgres";

describe("applying migrations where something stands against it", () => {
  const { database, folder, load, apply, refusal } = useEngine();

  it("points at the character that PostgreSQL means, with its detail and hint", async () => {
    folder.write("0001-a.sql", "SELECT 'ä🙂',\n  lowr('x');");
    assert.equal(
      await refusal(),
      [
        "UserError: Migration 0001-a failed: function lowr(unknown) does not exist (42883).",
        "migrations/0001-a.sql:2:3 (statement 1 of 1)",
        "2 |   lowr('x');",
        "  |   ^",
        "hint: No function matches the given name and argument types. You might need to add explicit type casts.",
        "Nothing of this file was kept: its transaction was rolled back.",
        "Next: correct migrations/0001-a.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
  });

  it("names a constraint that fails only at COMMIT", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (1), (1)",
    );
    assert.equal(
      await refusal(),
      [
        'UserError: Migration 0001-a failed: duplicate key value violates unique constraint "t_a_key" (23505).',
        "migrations/0001-a.sql, at its COMMIT",
        "detail: Key (a)=(1) already exists.",
        "Nothing of this file was kept: its transaction was rolled back.",
        "Next: correct migrations/0001-a.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
  });

  it("runs nothing when any pending file has a syntax error", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    const migrations = await load();
    const [first] = migrations;
    assert.ok(first !== undefined);
    const files = first.files.map((file) => ({ ...file, path: "0002-b.sql", text: "CREAT TABLE" }));
    const broken = { ...first, id: "0002-b", number: "2", files };
    assert.match(
      await refusal({ migrations: [first, broken] }),
      /^UserError: A pending migration cannot be run; nothing was run\.\n {2}syntax error at or near "CREAT"/,
    );
    assert.deepEqual(await database.query("SELECT to_regclass('t') AS t"), [{ t: null }]);
  });

  it("refuses a role without rights, by name, with nothing half done", async () => {
    await database.query("CREATE ROLE poor LOGIN PASSWORD 'canary-secret'");
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    const connect = () => database.connect({ user: "poor", password: "canary-secret" });
    assert.equal(
      await refusal({ connect }),
      [
        `UserError: PostgreSQL refused: permission denied for database ${database.name} (42501).`,
        `Next: GRANT CREATE ON DATABASE ${database.name} TO <role>, or connect as the owner; then run the same command again`,
      ].join("\n  "),
    );
    const wrong = () => database.connect({ user: "poor", password: "canary-wrong" });
    assert.equal(
      await refusal({ connect: wrong }),
      [
        'UserError: PostgreSQL refused: password authentication failed for user "poor" (28P01).',
        "Next: correct the user name or the password, or the server's pg_hba.conf",
      ].join("\n  "),
    );
    await database.query("DROP ROLE poor");
  });

  it("refuses sessions that are read-only before anything is tried", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    const connect = () => database.connect({ options: "-c default_transaction_read_only=on" });
    assert.equal(
      await refusal({ connect }),
      [
        `UserError: Sessions of postgres on ${database.name} are read-only.`,
        "default_transaction_read_only is on for this role or database.",
        `Next: connect as the owner, or ALTER DATABASE ${database.name} RESET default_transaction_read_only`,
      ].join("\n  "),
    );
  });

  it("refuses a standby before anything is tried", async function () {
    this.timeout(60000);
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    const { host, port, user, password } = await startStandby();
    const connect = () => database.connect({ host, port, user, password, database: "postgres" });
    assert.equal(
      await refusal({ connect }),
      [
        "UserError: The database postgres is a read-only standby.",
        "The server is in recovery: it replays another server's log.",
        "Next: connect to the primary",
      ].join("\n  "),
    );
  });

  it("knows what to do about a full disk", async () => {
    folder.write(
      "0001-a.sql",
      "DO $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$",
    );
    assert.equal(
      (await refusal()).split("\n  ").at(-1),
      "Next: free space on the server's volume or enlarge it, then run the same command again",
    );
    assert.deepEqual(await database.query("SELECT FROM stateful_cd.migrations"), []);
  });

  it("says so when the server cannot be reached", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    const connect = () => database.connect({ port: 1 });
    assert.equal(
      await refusal({ connect }),
      [
        "UserError: The connection to PostgreSQL failed.",
        "connect ECONNREFUSED 127.0.0.1:1",
        "Next: see that the server answers, then run the same command again: the journal knows how far it came",
      ].join("\n  "),
    );
  });

  it("refuses a journal of a newer format", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    await apply();
    await database.query("UPDATE stateful_cd.journal SET version = 99");
    assert.equal(
      await refusal(),
      [
        `UserError: The journal in this database has format 99; this engine knows up to ${journalVersion}.`,
        "A newer stateful-cd has been at work here.",
        "Next: use that newer version: git pull && npm ci",
      ].join("\n  "),
    );
  });
});
