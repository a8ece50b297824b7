import { strict as assert } from "node:assert";
import { linesOf } from "../../components/dynamic/migrationPreview";
import { planLines, statusLines } from "../../engine/cli/output";
import { planMigrations } from "../../engine/plan";
import { useEngine } from "../engineScene";

describe("a plan", () => {
  const { database, folder, load, apply } = useEngine();
  const plan = async () => planMigrations(await database.connect(), await load());

  beforeEach(async () => {
    await database.query(
      "CREATE TABLE t (id int, n int); INSERT INTO t SELECT g, g FROM generate_series(1, 7000) g; ANALYZE t",
    );
    folder.write(
      "0001-a.sql",
      "CREATE TABLE made (id int);\nCREATE INDEX made_id ON made (id);\nCREATE INDEX t_n ON t (n);\nDO 'BEGIN END';\n",
    );
  });

  it("tells of each statement what it locks, reads and costs, and how it is run", async () => {
    const lines = planLines(await plan()).map((line) => line.replace(folder.path, "migrations"));
    assert.deepEqual(lines, [
      "0001-a (pending)",
      "  1  migrations/0001-a.sql:1  in transaction  CREATE TABLE made (id int)",
      "  2  migrations/0001-a.sql:2  in transaction  CREATE INDEX made_id ON made (id)",
      "  3  migrations/0001-a.sql:3  in parts        CREATE INDEX t_n ON t (n)",
      "       locks public.t: SHARE",
      "       indexes public.t, about 7,000 rows: index t_n",
      "       takes about 14 ms, nobody waits (estimates)",
      "       runs in parts: CREATE INDEX CONCURRENTLY",
      "  4  migrations/0001-a.sql:4  in transaction  DO 'BEGIN END'",
      "       not known: what a DO block does is known when it runs",
      "1 migration, 1 pending; no journal yet",
    ]);
  });

  it("tells the same in a preview, and in JSON with names", async () => {
    const planned = await plan();
    assert.deepEqual(linesOf(planned, "0001-a").slice(2, 7), [
      "statement 3: CREATE INDEX t_n ON t (n)",
      "  locks public.t: SHARE",
      "  indexes public.t, about 7,000 rows: index t_n",
      "  takes about 14 ms, nobody waits (estimates)",
      "  runs in parts: CREATE INDEX CONCURRENTLY",
    ]);
    const effects = planned.migrations[0]?.statements[2]?.effects;
    assert.deepEqual(effects, {
      locks: [{ relation: "public.t", mode: "SHARE" }],
      work: [
        {
          kind: "index",
          relation: "public.t",
          why: "index t_n",
          rows: 7000,
          bytes: 253952,
        },
      ],
      rewrite: false,
      scan: true,
      rows: 7000,
      seconds: 0.014,
      stallSeconds: 0,
      runAs: "CREATE INDEX CONCURRENTLY",
      splits: false,
    });
  });

  it("tells what a run would refuse", async () => {
    folder.write("0001-a.sql", "ALTER TABLE t ADD x uuid DEFAULT gen_random_uuid();");
    const { refusals } = await plan();
    assert.deepEqual(
      refusals.map((text) => text.replaceAll(folder.path, "migrations").split("\n")),
      [
        [
          "Migration 0001-a would hold others up; nothing of migrations/0001-a.sql was run.",
          "  migrations/0001-a.sql:1:1",
          "  1 | ALTER TABLE t ADD x uuid DEFAULT gen_random_uuid();",
          "    | ^",
          "  It writes anew public.t while nobody may use it: column x has a volatile default, another value for every row.",
          "  About 7,000 rows: others would wait 47 ms (an estimate).",
          "  Online it is a folder of two files:",
          "  expand.sql:",
          '    ALTER TABLE public.t ADD COLUMN "x" uuid;',
          '    ALTER TABLE public.t ALTER COLUMN "x" SET DEFAULT gen_random_uuid();',
          "  sync.yaml:",
          "    kind: fill",
          "    table: public.t",
          '    new: "x"',
          '  Next: write these files instead (docs/decisions/dual-write.md); or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands',
        ],
      ],
    );
  });

  it("counts what is begun and not done yet", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    folder.write("0002-b/expand.sql", "SELECT 1");
    folder.write("0002-b/checks/none.sql", "SELECT 1 AS wrong");
    await assert.rejects(apply(), /^UserError: Migration 0002-b is blocked/);
    assert.match(statusLines(await plan(), []).at(-1) ?? "", /^2 migrations, 0 pending, 1 begun; /);
  });

  /** Lines behind the statement of the first refusal, for a table that is taken for a large one. */
  const whyNot = async (sql: string, table = "t") => {
    await database.query(`UPDATE pg_class SET reltuples = 3e6 WHERE oid = '${table}'::regclass`);
    folder.write("0001-a.sql", sql);
    const [refusal = ""] = (await plan()).refusals;
    return refusal.replaceAll(folder.path, "migrations").split("\n  ").slice(4);
  };

  it("refuses what cannot be taken out of its transaction", async () => {
    const [, seconds, next] = await whyNot("BEGIN; CREATE INDEX t_n ON t (n); COMMIT");
    assert.equal(seconds, "About 3,000,000 rows: others would wait 6.0 s (an estimate).");
    assert.match(next ?? "", /^Next: remove BEGIN and COMMIT; or write "-- atomic: true" /);
    assert.deepEqual(
      (await whyNot("SET LOCAL search_path = public; CREATE INDEX t_n ON t (n)")).slice(0, 1),
      [
        "It cannot be carried out in parts (CREATE INDEX CONCURRENTLY) behind statement 1, which holds until its transaction ends.",
      ],
    );
  });

  it("refuses an index of a partitioned table that has a foreign one, with the way by hand", async () => {
    await database.query(
      `CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
       CREATE TABLE sales (id int) PARTITION BY LIST (id);
       CREATE TABLE sales_1 PARTITION OF sales FOR VALUES IN (1); INSERT INTO sales VALUES (1);
       CREATE FOREIGN TABLE sales_2 PARTITION OF sales FOR VALUES IN (2) SERVER elsewhere`,
    );
    assert.deepEqual(await whyNot("CREATE INDEX ON sales (id)", "sales_1"), [
      "It reads as a whole public.sales while nobody may use it: an index.",
      "About 3,000,000 rows: others would wait 6.0 s (an estimate).",
      'Next: write CREATE INDEX ... ON ONLY the parent, CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX ... ATTACH PARTITION; or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands',
    ]);
  });
});
