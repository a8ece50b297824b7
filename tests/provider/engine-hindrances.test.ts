import { strict as assert } from "node:assert";
import { auditMigrations } from "../../engine/audit";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";
import { postgresMajor } from "../postgresServer";

/** What a database, a role or an application prescribes, and a backfill must not believe. */
describe("a sync on a database that is in its way", () => {
  const { database, folder, load, apply, refusal, contract, states } = useEngine();
  const rows = 2_000;
  let owner = "";

  beforeEach(async () => {
    owner = `owner_${database.name}`;
    await database.query(
      `CREATE ROLE ${owner} LOGIN PASSWORD 'x';
       GRANT CREATE ON DATABASE "${database.name}" TO ${owner}; GRANT ALL ON SCHEMA public TO ${owner}`,
    );
    folder.write(
      "0001-t.sql",
      `CREATE TABLE t (id int PRIMARY KEY, a text, tenant int NOT NULL DEFAULT 0);
       INSERT INTO t SELECT i, i::text, i % 10 FROM generate_series(1, ${rows}) i;`,
    );
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b text;");
    folder.write(
      "0002-b/sync.yaml",
      "table: t\nold: [a]\nnew: [b]\nforward: { b: a }\nreverse: { a: b }\n",
    );
    await apply({ connect, through: "0001-t" });
  });

  const connect = () => database.connect({ user: owner, password: "x" });
  const filled = async () =>
    (await database.query("SELECT count(*)::int AS n FROM t WHERE b IS NOT DISTINCT FROM a"))[0]?.n;
  const hide = () =>
    database.query(
      `ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
       CREATE POLICY one_tenant ON t USING (tenant = 0)`,
    );
  const hidden = `Row-level security hides rows of public.t from this session: ALTER ROLE <role> BYPASSRLS, or ALTER TABLE public.t NO FORCE ROW LEVEL SECURITY for its owner.`;

  it("refuses a table whose rows a policy hides from it, before anything is run", async () => {
    await hide();
    assert.equal(
      await refusal({ connect }),
      [
        "UserError: A pending migration cannot be followed on this database; nothing was run.",
        `migrations/0002-b/sync.yaml: ${hidden}`,
        "Next: correct sync.yaml, expand.sql or the table, then run the same command again",
      ].join("\n  "),
    );
    assert.deepEqual(await states(), { "0001-t": "done" });
    await database.query(`ALTER ROLE ${owner} BYPASSRLS`);
    await apply({ connect });
    assert.equal(await filled(), rows);
  });

  it("calls no audit right that has not seen all rows, and contracts nothing", async () => {
    await apply({ connect });
    await hide();
    const problem = `migrations/0002-b/sync.yaml cannot be followed on this database; no trigger was added.`;
    assert.match(
      await failureOf(
        async () => auditMigrations({ connect, migrations: await load(), repair: false }),
        folder,
      ),
      new RegExp(`^UserError: ${problem}\n  ${hidden.replaceAll(/[().]/g, "\\$&")}\n`),
    );
    const { waiting } = await contract({ connect });
    assert.equal(
      waiting.join().replaceAll(folder.path, "migrations"),
      `0002-b: ${problem} ${hidden}`,
    );
  });

  it("lets files of the author meet the policy as an error, and says what gives the right", async () => {
    await apply({ connect });
    await hide();
    folder.write("0003-c.sql", "UPDATE t SET tenant = 1");
    assert.equal(
      await refusal({ connect }),
      [
        'UserError: Migration 0003-c failed: query would be affected by row-level security policy for table "t" (42501).',
        "migrations/0003-c.sql:1:1 (statement 1 of 1)",
        "1 | UPDATE t SET tenant = 1",
        "  | ^",
        "hint: To disable the policy for the table's owner, use ALTER TABLE NO FORCE ROW LEVEL SECURITY.",
        "Nothing of this file was kept: its transaction was rolled back.",
        'Next: ALTER ROLE <role> BYPASSRLS, or ALTER TABLE "t" NO FORCE ROW LEVEL SECURITY for its owner; then run the same command again',
      ].join("\n  "),
    );
  });

  it("fills rows whose triggers name tables without their schema, and mends them", async () => {
    await database.query(
      `CREATE TABLE seen (id int); GRANT ALL ON seen TO ${owner};
       CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO seen VALUES (NEW.id); RETURN NEW; END';
       CREATE TRIGGER see BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION see()`,
    );
    await apply({ connect });
    assert.equal(await filled(), rows);
    const replica = await database.connect();
    await replica.query(
      "SET session_replication_role = replica; UPDATE t SET b = 'x' WHERE id < 4",
    );
    await replica.end();
    const [audited] = await auditMigrations({ connect, migrations: await load(), repair: true });
    assert.equal(audited?.repaired, 3);
    assert.equal(await filled(), rows);
    assert.deepEqual(await database.query("SELECT count(*)::int AS n FROM seen"), [
      { n: rows + 3 },
    ]);
  });

  it("names the trigger that takes back what is written, at once", async () => {
    await database.query(
      `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
       CREATE TRIGGER keep BEFORE UPDATE ON t FOR EACH ROW WHEN (OLD.id < 3) EXECUTE FUNCTION keep()`,
    );
    const started = Date.now();
    assert.equal(
      await refusal({ connect, tableLockDeadlineSeconds: 300 }),
      [
        "UserError: Migration 0002-b is blocked: Rows of public.t that disagree between the old and the new columns: 2.",
        'id 1: {"a":"1","b":null}',
        'id 2: {"a":"2","b":null}',
        "Rows that were written, and disagree still: 2. A trigger that sees each row first may take that back: keep.",
        "Next: let the trigger do nothing WHEN (current_setting('stateful_cd.filling', true) = 'on'), or correct these rows, or allow NULL with rejects: allow-null in sync.yaml; then run the same command again",
      ].join("\n  "),
    );
    assert.ok(Date.now() - started < 60_000);
    await database.query("DROP TRIGGER keep ON t");
    await apply({ connect });
    assert.equal(await filled(), rows);
  });

  it("refuses a table whose rule does something else in an update's place", async () => {
    await database.query("CREATE RULE still AS ON UPDATE TO t DO INSTEAD NOTHING");
    assert.equal(
      await refusal({ connect }),
      [
        "UserError: A pending migration cannot be followed on this database; nothing was run.",
        "migrations/0002-b/sync.yaml: The rule still on public.t does something else in an update's place, or beside it: no row could be filled.",
        "Next: correct sync.yaml, expand.sql or the table, then run the same command again",
      ].join("\n  "),
    );
  });

  if (postgresMajor >= 17) {
    it("gives long work the time that a role grants no transaction", async () => {
      await database.query(`ALTER ROLE ${owner} SET transaction_timeout = '1s'`);
      folder.write("0003-c.sql", "SELECT pg_sleep(1.5)");
      await apply({ connect });
      // An audit's session is never reset.
      const holder = await database.connect();
      await holder.query("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
      const audited = auditMigrations({ connect, migrations: await load(), repair: false });
      await holder.query("SELECT pg_sleep(2)");
      await holder.query("COMMIT");
      assert.deepEqual((await audited)[0]?.findings, []);
    });
  }

  it("puts back a trigger that somebody has dropped, and mends what was written without it", async () => {
    await apply({ connect });
    await database.query(
      `DROP TRIGGER "~stateful_cd_2_update" ON t; UPDATE t SET a = 'new' WHERE id = 7`,
    );
    const audit = async (repair: boolean) => {
      const told: string[] = [];
      const onProgress = ({ message }: Progress): void => {
        told.push(message);
      };
      const [found] = await auditMigrations({
        connect,
        migrations: await load(),
        repair,
        onProgress,
      });
      return { repaired: found?.repaired, findings: found?.findings, told };
    };
    assert.deepEqual(await audit(false), {
      repaired: 0,
      findings: [
        {
          problem: "The trigger ~stateful_cd_2_update of public.t is not there, or not enabled",
          rows: [],
          way: "npm run migrations -- audit --repair puts it back",
        },
        {
          problem: "Rows of public.t that disagree between the old and the new columns: 1",
          rows: ['id 7: {"a":"new","b":"7"}'],
          way: "correct the wrong side, or npm run migrations -- audit --repair trusts the old one",
        },
      ],
      told: [],
    });
    assert.deepEqual(await audit(true), {
      repaired: 1,
      findings: [],
      told: ["keeping public.t: a <-> b in step again"],
    });
    await database.query("UPDATE t SET b = 'newer' WHERE id = 7");
    assert.deepEqual(await database.query("SELECT a, b FROM t WHERE id = 7"), [
      { a: "newer", b: "newer" },
    ]);
    assert.deepEqual(await audit(true), { repaired: 0, findings: [], told: [] });
  });
});
