import { strict as assert } from "node:assert";
import type { Client } from "pg";
import { classifyStatements } from "../../engine/locks/classify";
import { lockModes, type LockMode, strongerOf } from "../../engine/locks/lockMode";
import { parse } from "../../engine/sql/parser";
import { forms, scene } from "../lockForms";
import { createDatabase, type TestDatabase } from "../postgres";

interface Seen {
  /** Table -> strongest lock. */
  readonly locks: Record<string, LockMode>;
  readonly rewritten: string[];
  readonly isRead: boolean;
}

describe("the classification of a statement", () => {
  let database: TestDatabase;
  let client: Client;
  const options = "-c search_path=s -c TimeZone=UTC";

  before(async function createOnce() {
    this.timeout(60000);
    database = await createDatabase();
    client = await database.connect({ options });
  });
  after(() => database.drop());

  /** What the statement does when it runs, by pg_locks, relfilenode and the statistics of its transaction. */
  async function observe(watcher: Client, sql: string): Promise<Seen> {
    const worker = await database.connect({ options });
    const nodesBefore = await fileNodes(watcher);
    await worker.query("BEGIN");
    await worker.query(sql);
    const { rows: pids } = await worker.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const { rows } = await watcher.query<{ name: string; mode: string }>(
      `SELECT 's.' || relname AS name, mode FROM pg_locks JOIN pg_class c ON c.oid = relation
        WHERE pid = $1 AND relnamespace = 's'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')`,
      [pids[0]?.pid],
    );
    const nodesAfter = await fileNodes(worker);
    const { rows: reads } = await worker.query<{ read: boolean }>(
      "SELECT coalesce(sum(seq_tup_read), 0) > 0 AS read FROM pg_stat_xact_user_tables WHERE schemaname = 's'",
    );
    await worker.query("ROLLBACK");
    await worker.end();
    const locks: Record<string, LockMode> = {};
    for (const { name, mode } of rows) {
      const found = lockModes.find(
        (known) => `${known.replaceAll(" ", "")}LOCK` === mode.toUpperCase(),
      );
      if (found) locks[name] = strongerOf(found, locks[name] ?? "ACCESS SHARE");
    }
    const rewritten = [...nodesBefore].filter(([oid, { node }]) => {
      const after = nodesAfter.get(oid);
      return after !== undefined && after.node !== node && after.size > 0;
    });
    return {
      locks: sorted(locks),
      rewritten: rewritten.map(([, { name }]) => name).sort(),
      isRead: reads[0]?.read === true,
    };
  }

  async function foretell(client: Client, sql: string): Promise<Seen> {
    const parsed = await parse(sql);
    if ("mistake" in parsed) throw new Error(parsed.mistake.problem);
    const [found] = await classifyStatements(client, parsed.statements);
    assert.ok(found);
    assert.equal(found.unknown, undefined);
    return {
      locks: sorted(Object.fromEntries(found.relations.map(({ name, mode }) => [name, mode]))),
      rewritten: found.work
        .filter(({ kind }) => kind === "rewrite")
        .flatMap(({ tables }) => tables)
        .sort(),
      isRead: found.rewrite || found.scan,
    };
  }

  for (const { sql, setup = "", ofRows = false, looksUpSince18 } of forms) {
    it(`is what PostgreSQL does: ${sql}`, async () => {
      await database.query(`DROP SCHEMA IF EXISTS s CASCADE; ${scene}${setup}`);
      const foretold = await foretell(client, sql);
      const seen = await observe(client, sql);
      if (looksUpSince18 !== undefined && (await majorVersion(client)) >= 18) {
        assert.equal(seen.locks[looksUpSince18], "ACCESS SHARE");
        foretold.locks[looksUpSince18] = "ACCESS SHARE";
      }
      assert.deepEqual(foretold, ofRows ? { ...seen, isRead: false } : seen);
    });
  }
});

async function majorVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ major: number }>(
    "SELECT current_setting('server_version_num')::int / 10000 AS major",
  );
  return rows[0]?.major ?? 0;
}

async function fileNodes(
  client: Client,
): Promise<Map<string, { name: string; node: string; size: number }>> {
  const { rows } = await client.query<{ oid: string; name: string; node: string; size: number }>(
    `SELECT oid::text, 's.' || relname AS name, relfilenode::text AS node,
            pg_relation_size(oid)::int AS size FROM pg_class
      WHERE relnamespace = 's'::regnamespace AND relkind IN ('r', 'm')`,
  );
  return new Map(rows.map(({ oid, ...file }) => [oid, file]));
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}
