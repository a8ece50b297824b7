import { strict as assert } from "node:assert";
import type { Client } from "pg";
import { useEngine } from "../engineScene";

describe("a lock that others wait for", () => {
  const { database, folder, apply, contract } = useEngine();
  /** What was sent while no answer was outstanding: each began a round trip. */
  let begun: string[] = [];

  beforeEach(() => {
    begun = [];
    folder.write("0001-t.sql", "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL);");
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b text;");
    folder.write("0002-b/contract.sql", "CREATE INDEX t_b ON t (b);\nDROP INDEX t_b;");
    folder.write(
      "0002-b/sync.yaml",
      "table: t\nold: [a]\nnew: [b]\nforward: { b: reverse(a) }\nreverse: { a: reverse(b) }\n",
    );
  });

  const connect = async (): Promise<Client> => {
    const client = await database.connect();
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    let unanswered = 0;
    const counted = async (text: string, ...rest: unknown[]): Promise<unknown> => {
      if (unanswered++ === 0) begun.push(text);
      try {
        return await query(text, ...rest);
      } finally {
        unanswered--;
      }
    };
    return Object.assign(client, { query: counted });
  };

  /** The first words of the round trips from the one that asks for such a lock to its COMMIT. */
  const underLock = (lock: RegExp): string[] => {
    const locked = begun.findIndex((text) => lock.test(text));
    assert.notEqual(locked, -1, begun.join("\n"));
    const ended = begun.indexOf("COMMIT", locked) + 1;
    return begun.slice(locked, ended).map((text) => text.replace(/^.*(LOCK TABLE).*/s, "$1"));
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

  it("is held for two round trips by the last statement of a file, its journal row included", async () => {
    await apply();
    folder.write("0003-c.sql", "ALTER TABLE t ADD c int;\nALTER TABLE t ADD d int;");
    await apply({ connect });
    assert.deepEqual(underLock(/LOCK TABLE .*\bt IN ACCESS EXCLUSIVE/), [
      "LOCK TABLE",
      "ALTER TABLE t ADD c int",
      "ALTER TABLE t ADD d int",
      "COMMIT",
    ]);
  });
});
