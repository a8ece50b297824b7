import { strict as assert } from "node:assert";
import type { Client } from "pg";
import { useEngine } from "../engineScene";

describe("a lock that others wait for", () => {
  const { database, folder, apply, contract } = useEngine();
  /** What was sent while no answer was outstanding: each began a round trip. */
  let begun: string[] = [];

  beforeEach(() => {
    begun = [];
    folder.write("0001-t.sql", "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL);");
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int;");
    folder.write("0002-b/contract.sql", "CREATE INDEX t_b ON t (b);\nDROP INDEX t_b;");
    folder.write(
      "0002-b/sync.yaml",
      "table: t\nold: [a]\nnew: [b]\nforward: { b: a + 1 }\nreverse: { a: b - 1 }\n",
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

  /** The round trips from the first one that was begun under such a lock to its COMMIT. */
  const underLock = (lock: RegExp): string[] => {
    const locked = begun.findIndex((text) => lock.test(text)) + 1;
    assert.notEqual(locked, 0, begun.join("\n"));
    const ended = begun.indexOf("COMMIT", locked) + 1;
    return begun.slice(locked, ended);
  };

  it("is held for two round trips while triggers are added", async () => {
    await apply({ connect });
    const [work, ...rest] = underLock(/LOCK TABLE .*\bt IN SHARE ROW EXCLUSIVE/);
    assert.match(work ?? "", /^LOCK TABLE/);
    assert.deepEqual(rest, ["COMMIT"]);
  });

  it("is held for two round trips while the old shape is ended, contract.sql included", async () => {
    await apply({ connect });
    await contract({ connect });
    const [work, ...rest] = underLock(/LOCK TABLE .*\bt IN ACCESS EXCLUSIVE/);
    assert.match(work ?? "", /^LOCK TABLE/);
    assert.deepEqual(rest, ["COMMIT"]);
  });
});
