import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { useEngine } from "../engineScene";

describe("undo of a lookup", () => {
  const { database, folder, apply, contract, undo } = useEngine();

  it("keeps what a row refers to, and its name right, when that is renamed in the middle", async () => {
    folder.write(
      "0001-items.sql",
      `CREATE TABLE places (id int PRIMARY KEY, name text NOT NULL UNIQUE);
       CREATE TABLE items (id int PRIMARY KEY, place text NOT NULL);
       CREATE INDEX items_place ON items (place);
       INSERT INTO places VALUES (1, 'one'), (2, 'two');
       INSERT INTO items VALUES (7, 'one'), (8, 'two');`,
    );
    folder.write("0002-id/expand.sql", "ALTER TABLE items ADD COLUMN place_id int;");
    folder.write(
      "0002-id/sync.yaml",
      [
        "kind: lookup\ntable: items\nname: place\nid: place_id",
        "references: { table: places, id: id, name: name }",
        "indexes: { items_place_id: [place_id] }",
      ].join("\n"),
    );
    await apply();
    const { waiting } = await contract();
    assert.deepEqual(waiting, []);
    await database.query("UPDATE items SET place_id = 2 WHERE id = 7");
    await database.query(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END';
       CREATE TRIGGER a_slow BEFORE UPDATE ON items FOR EACH ROW
         WHEN (NEW.id = 7) EXECUTE FUNCTION slow()`,
    );
    const undone = undo("0002-id");
    // Its statement has read the name, and has not written it yet.
    while (!(await isFilling())) await Promise.race([undone, sleep(25)]);
    await database.query("UPDATE places SET name = 'TWO' WHERE id = 2");
    await undone;
    assert.deepEqual(await database.query("SELECT * FROM items ORDER BY id"), [
      { id: 7, place: "TWO", place_id: 2 },
      { id: 8, place: "TWO", place_id: 2 },
    ]);
  });

  async function isFilling(): Promise<boolean> {
    const rows = await database.query(
      `SELECT FROM pg_stat_activity
        WHERE wait_event = 'PgSleep' AND datname = current_database()`,
    );
    return rows.length > 0;
  }
});
