import { strict as assert } from "node:assert";
import type { Progress } from "../../engine/progress";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";
import { createDatabase } from "../postgres";

const scene = `
  CREATE TABLE sales (id int, "at" date, note text) PARTITION BY RANGE (id);
  CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM (1) TO (100);
  CREATE TABLE sales_2 PARTITION OF sales FOR VALUES FROM (100) TO (200) PARTITION BY LIST (id);
  CREATE TABLE sales_2_even PARTITION OF sales_2 FOR VALUES IN (100, 102);
  CREATE TABLE sales_2_rest PARTITION OF sales_2 DEFAULT;
  INSERT INTO sales SELECT g, DATE '2026-01-01' + g, 'n' || g FROM generate_series(1, 150) g;`;

/** Statements and the parts that each is carried out in. */
const rewritten: readonly (readonly [sql: string, parts: number])[] = [
  ['CREATE INDEX ON sales ("at")', 7],
  ["CREATE INDEX by_note ON public.sales (lower(note), (note || 'x')) WHERE id > 5", 7],
  ["CREATE UNIQUE INDEX IF NOT EXISTS one ON sales USING btree (id DESC) INCLUDE (note)", 7],
  ["CREATE INDEX ON sales (id, (id::text), coalesce(note, '')) INCLUDE (note)", 7],
];

describe("an index of a partitioned table", () => {
  const { database, folder, ...engine } = useEngine();
  let told: Progress[] = [];
  const apply = (onProgress = (progress: Progress): unknown => told.push(progress)) =>
    engine.apply({ onProgress });
  const partsTold = () =>
    told.flatMap(({ message }) => /part (\d+ of \d+)/.exec(message)?.slice(1) ?? []);
  const schemaNow = async () => (await schemaFingerprint(await database.connect())).facts;
  const invalid = () =>
    database.query("SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid");
  /** The schema that PostgreSQL makes of the same statements as they are. */
  const plainSchema = async (sql: string) => {
    const other = await createDatabase();
    try {
      await other.query(`${scene}${sql}`);
      return (await schemaFingerprint(await other.connect())).facts;
    } finally {
      await other.drop();
    }
  };

  beforeEach(async () => {
    told = [];
    await database.query(scene);
  });

  for (const [sql, parts] of rewritten) {
    it(`is built partition by partition while others write: ${sql}`, async () => {
      folder.write("0001-a.sql", sql);
      await apply();
      assert.deepEqual(
        partsTold(),
        Array.from({ length: parts }, (_, index) => `${index + 1} of ${parts}`),
      );
      assert.deepEqual(await schemaNow(), await plainSchema(sql));
      assert.deepEqual(await invalid(), []);
    });
  }

  it("takes the index that a partition has already", async () => {
    const before = "CREATE INDEX own ON sales_1 (note);";
    await database.query(before);
    folder.write("0001-a.sql", "CREATE INDEX ON sales (note)");
    await apply();
    assert.equal(partsTold().at(-1), "6 of 6");
    assert.deepEqual(await schemaNow(), await plainSchema(`${before}CREATE INDEX ON sales (note)`));
  });

  it("is in a partition that was made on the way, too", async () => {
    folder.write("0001-a.sql", "CREATE INDEX by_note ON sales (note)");
    const other = await database.connect();
    let made: Promise<unknown> | undefined;
    await apply(({ message }) => {
      if (!message.includes("part 3 of")) return;
      made = other.query("CREATE TABLE sales_3 PARTITION OF sales FOR VALUES FROM (200) TO (300)");
    });
    await made;
    const indexed = await database.query(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'by_note'::regclass ORDER BY 1",
    );
    assert.deepEqual(
      indexed.map(({ name }) => name),
      ["sales_1_note_idx", "sales_2_note_idx", "sales_3_note_idx"],
    );
    assert.deepEqual(await invalid(), []);
  });

  it("leaves nothing behind when a row stands against it", async () => {
    await database.query("INSERT INTO sales VALUES (140)");
    const before = await schemaNow();
    folder.write("0001-a.sql", "CREATE UNIQUE INDEX one ON sales (id)");
    const failure = await failureOf(apply, folder);
    assert.equal(
      failure.split("\n")[0],
      'UserError: Migration 0001-a failed: could not create unique index "sales_2_rest_id_idx" (23505).',
    );
    assert.match(failure, /this one left nothing behind/);
    assert.deepEqual(await schemaNow(), before);
    await database.query('DELETE FROM sales WHERE "at" IS NULL');
    await apply();
    assert.deepEqual(await schemaNow(), await plainSchema("CREATE UNIQUE INDEX one ON sales (id)"));
  });

  it("of the parent alone waits for nobody who works with a partition", async () => {
    const writer = await database.connect();
    await writer.query("BEGIN; INSERT INTO sales_1 VALUES (5)");
    await new Promise((resolve) => setTimeout(resolve, 300));
    folder.write("0001-a.sql", "CREATE INDEX by_note ON ONLY sales (note)");
    await apply();
    assert.deepEqual(
      told.filter(({ event }) => event === "waiting"),
      [],
    );
    await writer.query("COMMIT");
  });

  it("is nothing to do where it says IF NOT EXISTS and it does", async () => {
    await database.query("CREATE INDEX by_note ON sales (note)");
    folder.write("0001-a.sql", "CREATE INDEX IF NOT EXISTS by_note ON sales (note)");
    await apply();
    assert.deepEqual(partsTold(), []);
  });
});
