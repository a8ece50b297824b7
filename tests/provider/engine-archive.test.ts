import { strict as assert } from "node:assert";
import { findDrift } from "../../engine/journal/recordedSchema";
import { diffSchemas, schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { useEngine } from "../engineScene";

describe("an archived column", () => {
  const { database, folder, apply, ...engine } = useEngine();

  beforeEach(async () => {
    folder.write(
      "0001-t.sql",
      `CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE CHECK (a <> 'x'), z int, CHECK (z > 0 OR a > ''));
       CREATE INDEX t_z_a ON t (z, a); CREATE INDEX t_lower ON t (lower(a)); CREATE INDEX t_z ON t (z);
       CREATE STATISTICS t_both ON z, a FROM t;
       CREATE SEQUENCE numbers OWNED BY t.a;
       GRANT SELECT (a) ON t TO PUBLIC;`,
    );
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int;");
    folder.write(
      "0002-b/sync.yaml",
      [
        "table: t\nold: [a]\nnew: [b]",
        "forward: { b: \"CASE WHEN a ~ '^[0-9]{1,8}$' THEN a::int END\" }",
        "reverse: { a: b::text }",
      ].join("\n"),
    );
    await apply();
  });

  const contract = (keepDays: number) => engine.contract({ keepDays });
  const fingerprint = async () => schemaFingerprint(await database.connect());
  const drift = async () => findDrift(await database.connect());

  it("is no part of the schema, nor is what goes with it", async () => {
    const before = await fingerprint();
    await contract(7);
    assert.equal((await database.query("SELECT _dropped_a FROM t")).length, 0);
    const archived = await fingerprint();
    assert.deepEqual(diffSchemas(before.facts, archived.facts), [
      "sequence public.numbers removed",
      "table public.t: column a grant to PUBLIC removed",
      "table public.t: column a removed",
      "table public.t: constraint t_a_check removed",
      "table public.t: constraint t_a_key removed",
      "table public.t: constraint t_check removed",
      "table public.t: index t_a_key removed",
      "table public.t: index t_lower removed",
      "table public.t: index t_z_a removed",
      "table public.t: statistics t_both removed",
      'table public.t: trigger "~stateful_cd_2_insert" removed',
      'table public.t: trigger "~stateful_cd_2_update" removed',
    ]);
    assert.deepEqual(await drift(), []);
    await contract(0);
    await assert.rejects(database.query("SELECT _dropped_a FROM t"), { code: "42703" });
    assert.deepEqual(await fingerprint(), archived);
    assert.deepEqual(await drift(), []);
  });

  it("of which somebody makes something else is drift all the same", async () => {
    await contract(7);
    await database.query("CREATE VIEW v AS SELECT _dropped_a FROM t");
    assert.deepEqual(await drift(), ["view public.v added"]);
    await database.query("DROP VIEW v; ALTER TABLE t RENAME _dropped_a TO again");
    assert.ok((await drift()).includes("table public.t: column again added"));
  });
});
