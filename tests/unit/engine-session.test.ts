import { strict as assert } from "node:assert";
import { Writable } from "node:stream";
import type { Client } from "pg";
import { together } from "../../engine/session/together";
import { keepsSession } from "../../engine/sql/keepsSession";
import { parseTrees } from "../../engine/sql/parser";

async function keeps(sql: string): Promise<boolean> {
  return (await parseTrees(sql)).every(keepsSession);
}

describe("a statement and its session", () => {
  for (const sql of [
    "CREATE TABLE a (id int PRIMARY KEY, at timestamptz DEFAULT CURRENT_TIMESTAMP)",
    "ALTER TABLE a ADD COLUMN b text, DROP COLUMN c",
    "CREATE INDEX ON a (b)",
    "COMMENT ON TABLE a IS 'x'; ALTER TABLE a RENAME TO b; DROP TABLE b",
  ]) {
    it(`is kept by ${sql}`, async () => {
      assert.equal(await keeps(sql), true);
    });
  }

  for (const sql of [
    "SET work_mem = '7MB'",
    "CREATE TEMP TABLE a ()",
    "CREATE TABLE a (at text DEFAULT set_config('role', 'x', false))",
    "ALTER TABLE a ADD COLUMN b int DEFAULT f()",
    "CREATE INDEX ON a (lower(b))",
    "INSERT INTO a VALUES (1)",
    "DO 'BEGIN END'",
    "PREPARE p AS SELECT 1",
    "CREATE TABLE a (); SET ROLE x",
  ]) {
    it(`may be changed by ${sql}`, async () => {
      assert.equal(await keeps(sql), false);
    });
  }
});

describe("work that is sent together", () => {
  it("is one packet, whatever it is made of", async () => {
    const packets: string[][] = [];
    const stream = new Writable({
      write: (chunk: Buffer, _, done) => {
        packets.push([chunk.toString()]);
        done();
      },
      writev: (chunks, done) => {
        packets.push(chunks.map(({ chunk }) => String(chunk)));
        done();
      },
    });
    const client = { connection: { stream } } as unknown as Client;
    const send = (text: string) => () => {
      stream.write(text);
      return Promise.resolve();
    };
    await together(
      client,
      send("BEGIN"),
      () => together(client, send("a"), send("b")),
      send("COMMIT"),
    );
    assert.deepEqual(packets, [["BEGIN", "a", "b", "COMMIT"]]);
  });
});
