import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { auditMigrations } from "../../engine/audit";
import { cli, useEngine } from "../engineScene";

describe("an audit", () => {
  const { database, folder, load, apply, contract } = useEngine();

  beforeEach(async () => {
    folder.write(
      "0001-stock.sql",
      `CREATE TABLE sites (id bigint PRIMARY KEY, name text UNIQUE);
       CREATE TABLE stock (id int PRIMARY KEY, site text NOT NULL);
       CREATE INDEX stock_site ON stock (site);
       INSERT INTO sites VALUES (1, 'North'), (2, 'South');
       INSERT INTO stock SELECT i, CASE i % 2 WHEN 0 THEN 'North' ELSE 'South' END
         FROM generate_series(1, 100) i;`,
    );
    folder.write("0002-site/expand.sql", "ALTER TABLE stock ADD site_id bigint");
    folder.write(
      "0002-site/sync.yaml",
      `kind: lookup
table: stock
name: site
id: site_id
references: { table: sites, id: id, name: name }
indexes: { stock_site_id: [site_id] }
`,
    );
    await apply();
  });

  const wholeAudit = async (repair: boolean) =>
    auditMigrations({
      connect: database.connect,
      migrations: await load(),
      repair,
    });
  const audit = async (repair: boolean) =>
    (await wholeAudit(repair)).map(({ id, repaired, findings }) => ({ id, repaired, findings }));
  /** What a logical replication or a data repair does: no trigger and no foreign key looks. */
  const writePast = async (sql: string): Promise<void> => {
    const replica = await database.connect();
    await replica.query(`SET session_replication_role = replica; ${sql}`);
    await replica.end();
  };

  it("of rows that agree finds nothing", async () => {
    assert.deepEqual(await audit(false), [{ id: "0002-site", repaired: 0, findings: [] }]);
  });

  it("finds columns that disagree, and values that do not come back", async () => {
    folder.write(
      "0003-words.sql",
      "CREATE TABLE words (id int PRIMARY KEY, word text NOT NULL); INSERT INTO words VALUES (1, 'One')",
    );
    folder.write("0004-lower/expand.sql", "ALTER TABLE words ADD lower text");
    folder.write(
      "0004-lower/sync.yaml",
      `table: words
old: [word]
new: [lower]
forward: { lower: "lower(word)" }
reverse: { word: "CASE lower WHEN 'odd' THEN 'even' ELSE lower END" }
`,
    );
    await apply();
    const findings = async () => (await audit(false)).at(-1)?.findings;
    await writePast("UPDATE words SET lower = 'two'");
    assert.deepEqual(await findings(), [
      {
        problem: "Rows of public.words that disagree between the old and the new columns: 1",
        rows: ['id 1: {"word":"One","lower":"two"}'],
        way: "correct the wrong side, or npm run migrations -- audit --repair trusts the old one",
      },
    ]);
    await audit(true);
    await database.query("INSERT INTO words (id, word) VALUES (2, 'Odd')");
    assert.deepEqual(await findings(), [
      {
        problem: "Rows of public.words that hold new values that do not come back from word: 1",
        rows: ['id 2: {"word":"Odd","lower":"odd"}'],
        way: "correct these rows' lower",
      },
    ]);
  });

  it("finds what was written past the triggers, and sets it right by the old column when told to", async () => {
    await writePast(
      "UPDATE stock SET site = 'South' WHERE id IN (2, 4); UPDATE stock SET site_id = 77 WHERE id = 6; UPDATE stock SET site_id = NULL WHERE id = 8",
    );
    const trusts =
      "correct the wrong side, or npm run migrations -- audit --repair trusts the old one";
    const findings = [
      {
        problem: "Rows of public.stock that name another row of public.sites than they refer to: 3",
        rows: [
          'id 2: {"site":"South","site_id":1}',
          'id 4: {"site":"South","site_id":1}',
          'id 6: {"site":"North","site_id":77}',
        ],
        way: trusts,
      },
      {
        problem:
          "Rows of public.stock that have no site_id, though public.sites has a row of their name: 1",
        rows: ['id 8: {"site":"North","site_id":null}'],
        way: trusts,
      },
      {
        problem: "Rows of public.stock that name no row of public.sites: 1",
        rows: ['id 8: {"site":"North","site_id":null}'],
        way: "correct their site, or give public.sites a row of that name",
      },
    ];
    assert.deepEqual(await audit(false), [{ id: "0002-site", repaired: 0, findings }]);
    assert.deepEqual(await audit(true), [{ id: "0002-site", repaired: 4, findings: [] }]);
    assert.deepEqual(
      await database.query(
        "SELECT site, site_id::int FROM stock WHERE id IN (2, 6, 8) ORDER BY id",
      ),
      [
        { site: "South", site_id: 2 },
        { site: "North", site_id: 1 },
        { site: "North", site_id: 1 },
      ],
    );
  });

  it("tells of a trigger and a key that are gone, and puts them back when told to", async () => {
    await database.query(
      `ALTER TABLE stock DISABLE TRIGGER "~stateful_cd_2_update";
       ALTER TABLE stock DROP CONSTRAINT stateful_cd_2_fkey`,
    );
    const way = "npm run migrations -- audit --repair puts it back";
    assert.deepEqual(await audit(false), [
      {
        id: "0002-site",
        repaired: 0,
        findings: [
          {
            problem: "The constraint stateful_cd_2_fkey of public.stock is not there, or not valid",
            rows: [],
            way,
          },
          {
            problem:
              "The trigger ~stateful_cd_2_update of public.stock is not there, or not enabled",
            rows: [],
            way,
          },
        ],
      },
    ]);
    assert.deepEqual(await audit(true), [{ id: "0002-site", repaired: 0, findings: [] }]);
  });

  it("is a command, which fails as long as something is wrong", async () => {
    await writePast("UPDATE stock SET site_id = NULL WHERE id = 8");
    const run = (...more: string[]) => {
      const found = spawnSync(
        process.execPath,
        [cli, "audit", "--folder", folder.path, "--database-url", database.url, ...more],
        { encoding: "utf8" },
      );
      return { status: found.status, text: found.stdout };
    };
    const parts = [
      "  ok     The constraint stateful_cd_2_fkey of public.stock is valid",
      ...["stock insert", "stock update", "sites adopt_insert", "sites adopt_update"].map((one) => {
        const [table = "", part = ""] = one.split(" ");
        return `  ok     The trigger ~stateful_cd_2_${part} of public.${table} is enabled`;
      }),
      "  ok     Rows of public.stock that name another row of public.sites than they refer to: 0",
    ];
    assert.deepEqual(run(), {
      status: 1,
      text: [
        "0002-site: 2 of 9 checks found something wrong",
        "  ok     Rows of public.stock: 100, of which 99 have site_id",
        ...parts,
        "  wrong  Rows of public.stock that have no site_id, though public.sites has a row of their name: 1",
        '           id 8: {"site":"North","site_id":null}',
        "  wrong  Rows of public.stock that name no row of public.sites: 1",
        '           id 8: {"site":"North","site_id":null}',
        "Next: correct the wrong side, or npm run migrations -- audit --repair trusts the old one; correct their site, or give public.sites a row of that name",
        "",
      ].join("\n"),
    });
    const repaired = run("--repair", "--json");
    const { migrations: audited } = JSON.parse(repaired.text) as {
      migrations: { checks: { verdict: string; what: string }[]; findings: unknown }[];
    };
    assert.equal(repaired.status, 0);
    assert.deepEqual(
      audited.map(({ checks, ...rest }) => ({ ...rest, checks: checks.map((one) => one.verdict) })),
      [{ id: "0002-site", repaired: 1, findings: [], checks: Array<string>(9).fill("ok") }],
    );
    assert.deepEqual(run(), {
      status: 0,
      text: [
        "0002-site: old and new columns agree in every row",
        "  ok     Rows of public.stock: 100, of which 100 have site_id",
        ...parts,
        "  ok     Rows of public.stock that have no site_id, though public.sites has a row of their name: 0",
        "  ok     Rows of public.stock that name no row of public.sites: 0",
        "",
      ].join("\n"),
    });
  });

  it("lets a contract wait that names what helps against a name that no row has", async () => {
    await database.query("INSERT INTO stock VALUES (101, 'Nowhere')");
    assert.deepEqual((await contract()).waiting, [
      '0002-site: the audit found a mistake. Rows of public.stock that name no row of public.sites: 1, the first is id 101: {"site":"Nowhere","site_id":null}; correct their site, or give public.sites a row of that name',
    ]);
    await database.query("INSERT INTO sites VALUES (3, 'Nowhere')");
    assert.deepEqual((await contract()).waiting, []);
  });

  it("finds a sequence behind its column, and notes what else the tables have that is not sound", async () => {
    await database.query(
      `ALTER TABLE sites ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
       CREATE SEQUENCE counting; ALTER TABLE stock ADD n int DEFAULT nextval('counting');
       ALTER TABLE stock ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
       CREATE UNIQUE INDEX broken ON stock (n);
       UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass`,
    );
    const [found] = await wholeAudit(false);
    assert.deepEqual(found?.findings, [
      {
        problem: "The sequence public.sites_id_seq gives 1 next, and public.sites.id holds 2",
        rows: [],
        way: "SELECT setval('public.sites_id_seq', 2)",
      },
    ]);
    assert.deepEqual(
      found.checks.slice(-4).map(({ verdict, what }) => `${verdict}: ${what}`),
      [
        "ok: The sequence public.counting gives 101 next, and public.stock.n holds 100",
        "wrong: The sequence public.sites_id_seq gives 1 next, and public.sites.id holds 2",
        "note: The constraint positive of stock was never validated",
        "note: The index broken of stock is invalid",
      ],
    );
  });

  it("looks at all of it in one snapshot", async () => {
    // A writer past the triggers, while the audit stands still before its second look at the rows.
    const holder = await database.connect();
    await holder.query("BEGIN; LOCK TABLE sites IN ACCESS EXCLUSIVE MODE");
    const audited = wholeAudit(false);
    while ((await waiting()) === 0) await Promise.race([audited, sleep(20)]);
    await writePast("UPDATE stock SET site_id = NULL WHERE id = 8");
    await holder.query("COMMIT");
    assert.deepEqual((await audited)[0]?.findings, []);
    assert.equal((await audit(false))[0]?.findings.length, 2);
  });

  const waiting = async (): Promise<number> =>
    (
      await database.query(
        "SELECT FROM pg_locks WHERE NOT granted AND relation = 'sites'::regclass",
      )
    ).length;
});
