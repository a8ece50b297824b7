import { strict as assert } from "node:assert";
import { useEngine } from "../engineScene";

describe("a backfill of a table with triggers of the application", () => {
  const { database, folder, apply, refusal } = useEngine();

  const write = (body: string, yaml = ""): void => {
    folder.write(
      "0001-words.sql",
      `CREATE TABLE words (id int PRIMARY KEY, word text NOT NULL, seen int NOT NULL DEFAULT 0,
                           "Changed" date DEFAULT '2020-01-01', size int GENERATED ALWAYS AS (length(word)) STORED);
       CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$;
       CREATE TRIGGER touched BEFORE UPDATE ON words FOR EACH ROW EXECUTE FUNCTION touch();
       INSERT INTO words SELECT i, 'w' || i FROM generate_series(1, 20000) i;`,
    );
    folder.write("0002-name/expand.sql", "ALTER TABLE words ADD name text");
    folder.write(
      "0002-name/sync.yaml",
      `kind: rename\ntable: words\nold: word\nnew: name\n${yaml}`,
    );
  };
  const changed = async () =>
    (
      await database.query(
        `SELECT count(*) FILTER (WHERE "Changed" <> '2020-01-01')::int AS touched,
                count(*) FILTER (WHERE name IS DISTINCT FROM word)::int AS empty FROM words`,
      )
    )[0];

  it("stops before it keeps a change of another column, and says what would change it", async () => {
    write(`NEW."Changed" := '2021-01-01';`);
    const message = await refusal();
    assert.deepEqual(message.split("\n  ").slice(0, 2), [
      "UserError: Filling rows of public.words would change Changed too; the batch was not kept.",
      'id 1: Changed "2020-01-01" becomes "2021-01-01"',
    ]);
    assert.deepEqual(message.split("\n  ").slice(-2), [
      "Triggers that see each row first: touched.",
      "Next: write touches: [Changed] into sync.yaml if that may be, or let the trigger do nothing WHEN (current_setting('stateful_cd.filling', true) = 'on'); then run the same command again",
    ]);
    assert.deepEqual(await changed(), { touched: 0, empty: 20000 });
    assert.deepEqual(
      await database.query("SELECT state FROM stateful_cd.migrations WHERE id = '0002-name'"),
      [{ state: "blocked" }],
    );
  });

  it("goes on once sync.yaml says that it may", async () => {
    write(`NEW."Changed" := '2021-01-01';`);
    await refusal();
    write(`NEW."Changed" := '2021-01-01';`, "touches: [Changed]\n");
    await apply();
    assert.deepEqual(await changed(), { touched: 20000, empty: 0 });
  });

  it("goes on once the trigger leaves alone what it fills", async () => {
    write(`IF current_setting('stateful_cd.filling', true) IS DISTINCT FROM 'on' THEN
             NEW."Changed" := '2021-01-01'; END IF;`);
    await apply();
    assert.deepEqual(await changed(), { touched: 0, empty: 0 });
  });

  it("takes nobody else's writes for the trigger's", async () => {
    write("NEW.seen := NEW.seen;");
    await apply({ through: "0001-words" });
    let stopped = false;
    let writes = 0;
    const writers = [1, 2].map(async (turn) => {
      const client = await database.connect();
      while (!stopped) {
        const id = 1 + ((writes * 7919 + turn * 31) % 20000);
        await client.query(
          `UPDATE words SET seen = seen + 1, word = 'x' || seen WHERE id BETWEEN ${id} AND ${id + 50}`,
        );
        writes++;
      }
    });
    try {
      await apply();
    } finally {
      stopped = true;
      await Promise.allSettled(writers);
    }
    assert.equal(writes > 20, true);
    assert.deepEqual(await changed(), { touched: 0, empty: 0 });
  });
});
