import { strict as assert } from "node:assert";
import { parse, type Statement } from "../../engine/sql/parser";
import { segmentsOf } from "../../engine/sql/segments";
import { headOf } from "../../engine/sql/sourceText";

async function statements(sql: string): Promise<readonly Statement[]> {
  const parsed = await parse(sql);
  if ("mistake" in parsed) throw new Error(parsed.mistake.problem);
  return parsed.statements;
}

/** "1-3" for a transaction, "4 createIndex" for a statement that runs alone. */
async function shape(sql: string, alone: number[] = []): Promise<string[]> {
  return segmentsOf(await statements(sql), new Set(alone)).map((segment) =>
    segment.alone === undefined
      ? `${segment.first}-${segment.last}${segment.begin === undefined ? "" : ` ${segment.begin}`}`
      : `${segment.first} ${segment.alone.action}`,
  );
}

describe("splitting a file", () => {
  it("finds statements by PostgreSQL's grammar, whatever stands between them", async () => {
    const sql = "-- é;\nSELECT ';' ;; /* ; */ DO $x$ BEGIN PERFORM 1; END $x$; SELECT 'ü'";
    assert.deepEqual(
      (await statements(sql)).map(({ number, text, offset }) => [
        number,
        text,
        sql.slice(offset, offset + 6),
      ]),
      [
        [1, "SELECT ';'", "SELECT"],
        [2, "DO $x$ BEGIN PERFORM 1; END $x$", "DO $x$"],
        [3, "SELECT 'ü'", "SELECT"],
      ],
    );
  });

  it("makes one transaction of what can be one", async () => {
    assert.deepEqual(
      await shape("CREATE TABLE t (); ALTER TABLE t ADD a int; CREATE INDEX ON t (a)"),
      ["1-3"],
    );
  });

  it("runs alone what PostgreSQL refuses in a transaction, and joins the rest around it", async () => {
    assert.deepEqual(
      await shape(
        "CREATE TABLE t (a int); SELECT 1; CREATE INDEX CONCURRENTLY i ON t (a); SELECT 2; SELECT 3",
      ),
      ["1-2", "3 createIndex", "4-5"],
    );
  });

  const alone: [sql: string, action: string][] = [
    ["DROP INDEX CONCURRENTLY s.i", "dropIndex"],
    ["REINDEX INDEX CONCURRENTLY i", "reindex"],
    ["REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "reindex"],
    ["REINDEX DATABASE d", "reindex"],
    ["ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "detachPartition"],
    ["ALTER TYPE mood ADD VALUE 'x'", "addEnumValue"],
    ["VACUUM t", "repeat"],
    ["ALTER SYSTEM SET work_mem = '8MB'", "repeat"],
    ["CLUSTER", "repeat"],
    ["CREATE DATABASE d", "object"],
    ["DROP DATABASE d", "object"],
    ["CREATE TABLESPACE s LOCATION '/x'", "object"],
  ];
  for (const [sql, action] of alone) {
    it(`runs ${sql} alone`, async () => {
      assert.deepEqual(await shape(sql), [`1 ${action}`]);
    });
  }

  for (const sql of [
    "DROP INDEX i",
    "REINDEX TABLE t",
    "ALTER TABLE t DETACH PARTITION p",
    "ALTER TYPE mood RENAME VALUE 'x' TO 'y'",
    "ANALYZE t",
    "CLUSTER t USING i",
    "CALL p()",
    "DO $$ BEGIN COMMIT; END $$",
  ]) {
    it(`tries ${sql} in a transaction`, async () => {
      assert.deepEqual(await shape(sql), ["1-1"]);
    });
  }

  it("keeps a file's own transactions, options included", async () => {
    assert.deepEqual(
      await shape(
        "SELECT 1; BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 2; SAVEPOINT a; RELEASE a; COMMIT; SELECT 3; START TRANSACTION; SELECT 4; END",
      ),
      ["1-1", "2-6 BEGIN ISOLATION LEVEL SERIALIZABLE", "7-7", "8-10 START TRANSACTION"],
    );
  });

  it("takes out what the server has said must run alone", async () => {
    assert.deepEqual(await shape("SELECT 1; CALL p(); SELECT 2", [2]), ["1-1", "2 unknown", "3-3"]);
  });
});

describe("a statement's head", () => {
  it("is one line without secrets or terminal commands", () => {
    assert.equal(
      headOf("CREATE ROLE a\n  LOGIN   PASSWORD 'it''s \u001b[31mred'"),
      "CREATE ROLE a LOGIN PASSWORD '**************'",
    );
    assert.equal(headOf("SELECT 'abcdefghij'", 10), "SELECT 'a…");
  });
});
