import { strict as assert } from "node:assert";
import type { Client } from "pg";
import { intercepted, useEngine } from "../engineScene";

describe("a lock that others wait for", () => {
  const { database, folder, apply, contract } = useEngine();
  /** Each that was sent while no answer was outstanding begins a round trip. */
  let queries: { text: string; beginsRoundTrip: boolean }[] = [];

  beforeEach(() => {
    queries = [];
    folder.write("0001-t.sql", "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL);");
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b text;");
    folder.write("0002-b/contract.sql", "CREATE INDEX t_b ON t (b);\nDROP INDEX t_b;");
    folder.write(
      "0002-b/sync.yaml",
      "table: t\nold: [a]\nnew: [b]\nforward: { b: reverse(a) }\nreverse: { a: reverse(b) }\n",
    );
  });

  const connect = async (): Promise<Client> => {
    let unanswered = 0;
    return intercepted(await database.connect(), async (text, send) => {
      queries.push({ text, beginsRoundTrip: unanswered++ === 0 });
      try {
        return await send();
      } finally {
        unanswered--;
      }
    });
  };

  /** The first words of the round trips from the one that asks for such a lock to its COMMIT. */
  const underLock = (lock: RegExp): string[] => {
    const texts = queries.map(({ text }) => text);
    const locked = texts.findIndex((text) => lock.test(text));
    const ended = texts.indexOf("COMMIT", locked);
    assert.ok(locked !== -1 && ended !== -1, texts.join("\n"));
    // Sent behind COMMIT it would be a transaction of its own.
    assert.ok(texts.slice(locked, ended).some((text) => text.startsWith("WITH fence")));
    return queries
      .slice(locked, ended + 1)
      .filter(({ beginsRoundTrip }) => beginsRoundTrip)
      .map(({ text }) => text.replace(/^.*(LOCK TABLE).*/s, "$1"));
  };

  it("is asked for with all that is done under it while triggers are added", async () => {
    await apply({ connect });
    assert.deepEqual(underLock(/LOCK TABLE .*\bt IN SHARE ROW EXCLUSIVE/), [
      "LOCK TABLE",
      "COMMIT",
    ]);
  });

  it("is held for two round trips while the old shape is ended, contract.sql included", async () => {
    await apply({ connect });
    await contract({ connect });
    assert.deepEqual(underLock(/LOCK TABLE .*\bt IN ACCESS EXCLUSIVE/), [
      "LOCK TABLE",
      "LOCK TABLE",
      "COMMIT",
    ]);
  });

  it("is held for one round trip by the last statement of a file, journal row and COMMIT included", async () => {
    await apply();
    folder.write("0003-c.sql", "ALTER TABLE t ADD c int;\nALTER TABLE t ADD d int;");
    await apply({ connect });
    assert.deepEqual(underLock(/LOCK TABLE .*\bt IN ACCESS EXCLUSIVE/), [
      "LOCK TABLE",
      "ALTER TABLE t ADD c int",
      "ALTER TABLE t ADD d int",
    ]);
  });
});
