import { strict as assert } from "node:assert";
import { useEngine } from "../engineScene";

describe("what is to be done before a contract gives something up", () => {
  const { database, folder, apply, contract } = useEngine();
  let seen: string[] = [];

  /** The columns of t as they are when it is called. */
  const beforeEnding = async () => {
    const rows = await database.query(
      `SELECT string_agg(attname, ' ' ORDER BY attname) AS names FROM pg_attribute
        WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped`,
    );
    seen.push(String(rows[0]?.names));
  };

  beforeEach(async () => {
    seen = [];
    folder.write("0001-t.sql", "CREATE TABLE t (id int PRIMARY KEY, a text);");
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b text;");
    folder.write("0002-b/sync.yaml", "kind: rename\ntable: t\nold: a\nnew: b");
    await apply();
  });

  it("is done before the old columns are renamed, and again before they are dropped", async () => {
    await contract({ beforeEnding });
    assert.deepEqual(seen, ["a b id"]);
    await contract({ beforeEnding, keepDays: 0 });
    assert.deepEqual(seen, ["a b id", "_dropped_a b id"]);
  });

  it("is not done by a contract that waits, nor by one that has nothing to do", async () => {
    const { waiting } = await contract({ beforeEnding, soakSeconds: 1000 });
    assert.match(waiting.join(), /^0002-b: nothing old has been seen since /);
    await contract({});
    await contract({ beforeEnding });
    assert.deepEqual(seen, []);
  });

  it("may take so long that an old release is back by then: it is asked again", async () => {
    const answers = ["another release still runs: backend-1"];
    const askOutside = () => Promise.resolve(seen.length > 0 ? answers[0] : undefined);
    const { waiting } = await contract({ beforeEnding, askOutside });
    assert.deepEqual(waiting, ["0002-b: another release still runs: backend-1"]);
  });
});
