import { strict as assert } from "node:assert";
import { linesOf } from "../../components/dynamic/migrationPreview";
import { planLines } from "../../engine/cli/output";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { planMigrations } from "../../engine/plan";
import { useFolder } from "../migrationFolder";
import { useDatabase } from "../postgres";

describe("a plan", () => {
  const database = useDatabase();
  const folder = useFolder();
  const plan = async () =>
    planMigrations(await database.connect(), await loadMigrations(folder.path));

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
          '  Next: add a new column and keep both in step by a sync.yaml (docs/decisions/dual-write.md); or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands',
        ],
      ],
    );
  });
});
