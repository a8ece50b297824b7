import { strict as assert } from "node:assert";
import { fingerprintDatabase, type TableFingerprint } from "../../data/fingerprint";
import { compareData } from "../../data/compare";
import { useDatabase } from "../postgres";

describe("a data fingerprint", () => {
  const control = useDatabase();
  const candidate = useDatabase();

  /** Runs the same SQL on both, then one more on the candidate; what differs, by table and column. */
  async function differences(same: string, change: string): Promise<string[]> {
    await control.query(same);
    await candidate.query(`${same}; ${change}`);
    const compared = await compareData(await control.connect(), await candidate.connect(), []);
    return compared.differences.map(({ table, column, changed, onlyInControl, onlyInCandidate }) =>
      [table, column ?? "(rows)", ...changed, ...onlyInControl, ...onlyInCandidate].join(" "),
    );
  }

  async function fingerprint(sql: string): Promise<ReadonlyMap<string, TableFingerprint>> {
    await control.query(sql);
    return (await fingerprintDatabase(await control.connect())).tables;
  }

  const pairs: [type: string, value: string, other: string][] = [
    ["boolean", "true", "false"],
    ["smallint", "1", "2"],
    ["bigint", "9223372036854775807", "-9223372036854775808"],
    ["numeric", "1.0", "1.00"],
    ["numeric", "'NaN'", "'Infinity'"],
    ["real", "0", "'-0'"],
    ["double precision", "0", "'-0'"],
    ["double precision", "0.1::float8 + 0.2", "0.3"],
    ["money", "1", "2"],
    ["text", "''", "' '"],
    ["text COLLATE blind", "'a1'", "'A1'"],
    ["varchar(9)", "'é'", "E'e\\u0301'"],
    ["char(3)", "'a'", "'b'"],
    ["bpchar", "'a'", "'a  '"],
    ["citext", "'a'", "'A'"],
    ["bytea", "'\\x00'", "'\\x0000'"],
    ["date", "'infinity'", "'2024-02-29'"],
    ["time", "'24:00'", "'00:00'"],
    ["timetz", "'12:00+00'", "'13:00+01'"],
    ["timestamp", "'2024-01-01'", "'2024-01-01 00:00:00.000001'"],
    ["timestamptz", "'-infinity'", "'infinity'"],
    ["interval", "'24 hours'", "'1 day'"],
    ["uuid", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"],
    ["json", `'{"a": 1, "a": 2}'`, `'{"a":1, "a": 2}'`],
    ["jsonb", "'1.0'", "'1.00'"],
    ["xml", "'<a/>'", "'<a></a>'"],
    ["inet", "'10.0.0.1/32'", "'10.0.0.1/24'"],
    ["cidr", "'10.0.0.0/8'", "'10.0.0.0/16'"],
    ["macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"],
    ["point", "'1,2'", "'2,1'"],
    ["bit varying", "'1'", "'10'"],
    ["tsvector", "'a b'", "'a'"],
    ["integer[]", "'{1,2}'", "'[2:3]={1,2}'"],
    ["text[]", "'{NULL}'", `'{"NULL"}'`],
    ["numrange", "'[1.0,2)'", "'[1.00,2)'"],
    ["int4multirange", "'{[1,2)}'", "'{}'"],
    ["cut", "'ribs'", "'brisket'"],
    ["cut[]", "'{ribs}'", "'{brisket}'"],
    ["positive", "1", "2"],
    ["pair", "'(,)'", "NULL"],
    ["pair", "'(1,)'", "'(,1)'"],
    ["pair", "'(,)'", `'(,"")'`],
    ["regclass", "'pg_class'", "'pg_type'"],
    ["pg_lsn", "'0/1'", "'0/2'"],
    ['"char"', "'a'", "'b'"],
    ["name", "'a'", "'b'"],
    ["oid", "1", "2"],
  ];
  const types = `CREATE EXTENSION citext;
    CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TYPE cut AS ENUM ('ribs', 'brisket');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);`;

  it("tells two texts of every type apart, and finds each equal to itself", async () => {
    const list = (part: (pair: (typeof pairs)[number], index: number) => string): string =>
      pairs.map(part).join(", ");
    const found = await differences(
      `${types} CREATE TABLE t (id int PRIMARY KEY,
         ${list(([type], n) => `v${n} ${type}, same${n} ${type}`)});
       INSERT INTO t VALUES (1, ${list(([, value]) => `${value}, ${value}`)}),
                            (2, ${list(([, , other]) => `${other}, ${other}`)});
       INSERT INTO t (id) VALUES (3)`,
      `UPDATE t SET ${list(([, , other], n) => `v${n} = ${other}`)} WHERE id = 1`,
    );
    assert.deepEqual(found.sort(), pairs.map((_, n) => `public.t v${n} id=1`).sort());
  });

  it("takes a key of every type that can be one", async () => {
    const keys = pairs.filter(([type]) => !/json|xml|point|real|double|pair/.test(type));
    const found = await differences(
      types +
        keys
          .map(
            (
              [type, value, other],
              n,
            ) => `CREATE TABLE t${n} (n int, id ${type}, v int, PRIMARY KEY (n, id));
              INSERT INTO t${n} VALUES (1, ${value}, 1), (2, ${other}, 2);`,
          )
          .join("\n"),
      keys.map((_, n) => `UPDATE t${n} SET v = 3 - v`).join(";"),
    );
    assert.equal(found.length, keys.length);
    for (const line of found) assert.match(line, /^public\.t\d+ v n=1, id=.* n=2, id=/);
  });

  it("sums beyond 64 bits, and neither lists the journal nor temporary tables", async () => {
    const tables = await fingerprint(
      `CREATE SCHEMA stateful_cd; CREATE TABLE stateful_cd.journal (a int);
       CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10000)`,
    );
    assert.deepEqual([...tables.keys()], ["public.t"]);
    const { rows, keys, columns } = tables.get("public.t") ?? {};
    assert.deepEqual([rows, columns?.map(({ values }) => values)], [10000, [10000]]);
    assert.ok([keys, columns?.[0]?.sum].every((sum) => sum !== undefined && /^-?\d+$/.test(sum)));
  });

  it("says what it does not cover", async () => {
    await control.query(
      `CREATE MATERIALIZED VIEW "old stock" AS SELECT 1; SELECT lo_create(0);
       CREATE EXTENSION postgres_fdw; CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw;
       CREATE FOREIGN TABLE abroad (a int) SERVER away`,
    );
    const { notCompared } = await fingerprintDatabase(await control.connect());
    assert.deepEqual(
      notCompared,
      [
        "1 large objects",
        'materialized view public."old stock"',
        "foreign table public.abroad",
      ].sort(),
    );
  });

  const plain =
    "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (2, 'y'), (3, NULL)";
  const whole: [what: string, change: string, found: string[]][] = [
    ["a value", "UPDATE t SET b = 'z' WHERE a = 1", ["public.t b"]],
    ["NULL and the empty text", "UPDATE t SET b = '' WHERE a = 3", ["public.t b"]],
    ["an exchange", "UPDATE t SET a = 4 - a WHERE a <> 2", ["public.t (rows)"]],
    [
      "one row of two alike",
      "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE a = 2)",
      ["public.t (rows)"],
    ],
    [
      "nothing in a rewrite",
      "CREATE TABLE u AS TABLE t; TRUNCATE t; INSERT INTO t SELECT * FROM u ORDER BY a DESC; DROP TABLE u",
      [],
    ],
  ];
  for (const [what, change, found] of whole) {
    it(`shows ${what} in a table without a key`, async () => {
      assert.deepEqual(await differences(plain, change), found);
    });
  }

  it("is a partitioned table's own, wherever its rows lie", async () => {
    const sql = `CREATE TABLE t (id int, v int, PRIMARY KEY (id, v)) PARTITION BY RANGE (v);
      CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
      CREATE TABLE high PARTITION OF t DEFAULT;
      CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
      INSERT INTO t VALUES (1, 1), (2, 20); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)`;
    assert.deepEqual(
      await differences(
        sql,
        "ALTER TABLE t DETACH PARTITION low; ALTER TABLE t ATTACH PARTITION low FOR VALUES FROM (0) TO (15)",
      ),
      [],
    );
    const rows = [...(await fingerprint("SELECT"))].map(([table, found]) => [table, found.rows]);
    assert.deepEqual(rows, [
      ["public.child", 1],
      ["public.parent", 1],
      ["public.t", 2],
    ]);
    await candidate.query("UPDATE t SET v = 30 WHERE id = 1");
    const compared = await compareData(await control.connect(), await candidate.connect(), []);
    assert.deepEqual(
      compared.differences.map(({ onlyInControl, onlyInCandidate }) => [
        onlyInControl,
        onlyInCandidate,
      ]),
      [[["id=1, v=1"], ["id=1, v=30"]]],
    );
  });

  it("copes with hostile names, generated columns and tables of the width that a table can have", async () => {
    const wide = Array.from({ length: 1500 }, (_, n) => `c${n} int DEFAULT ${n}`).join(", ");
    const sql = `CREATE SCHEMA "a ""b'; --";
      CREATE TABLE "a ""b'; --"."t\n$1 ж" ("k" text, "c1" int, "a""b '\\" text, p1 int GENERATED ALWAYS AS (c1 * 2) STORED,
        PRIMARY KEY ("a""b '\\"));
      INSERT INTO "a ""b'; --"."t\n$1 ж" VALUES ('x', 1, 'it''s'), ('y', 2, '${"long".repeat(40)}');
      CREATE TABLE wide (${wide}); INSERT INTO wide DEFAULT VALUES; CREATE TABLE none (); INSERT INTO none DEFAULT VALUES`;
    const found = await differences(
      sql,
      `UPDATE "a ""b'; --"."t\n$1 ж" SET c1 = c1 + 1; UPDATE wide SET c1499 = 0`,
    );
    const long = `a"b '\\=${"long".repeat(40)}`.slice(0, 80);
    assert.deepEqual(found, [
      `"a ""b'; --"."t\n$1 ж" c1 a"b '\\=it's ${long}…`,
      `"a ""b'; --"."t\n$1 ж" p1 a"b '\\=it's ${long}…`,
      "public.wide c1499",
    ]);
  });

  it("prefers the primary key, takes another without NULLs, and no partial, deferred or nullable one", async () => {
    const found = await differences(
      `CREATE TABLE a (id int UNIQUE NOT NULL, code text PRIMARY KEY, v int); INSERT INTO a VALUES (1, 'x', 1);
       CREATE TABLE b (id int UNIQUE NOT NULL, v int); INSERT INTO b VALUES (1, 1);
       CREATE TABLE c (id int UNIQUE, v int); INSERT INTO c VALUES (1, 1);
       CREATE TABLE d (id int NOT NULL UNIQUE DEFERRABLE, v int); INSERT INTO d VALUES (1, 1);
       CREATE TABLE e (id int NOT NULL, v int); CREATE UNIQUE INDEX ON e (id) WHERE v = 1; INSERT INTO e VALUES (1, 1);
       CREATE TABLE f (id int NOT NULL, v int); CREATE UNIQUE INDEX ON f (abs(id)); INSERT INTO f VALUES (1, 1)`,
      ["a", "b", "c", "d", "e", "f"].map((table) => `UPDATE ${table} SET v = 2`).join(";"),
    );
    assert.deepEqual(found, [
      "public.a v code=x",
      "public.b v id=1",
      "public.c v",
      "public.d v",
      "public.e v",
      "public.f v",
    ]);
  });

  it("refuses rows that a policy would hide instead of leaving them out", async () => {
    await control.query(
      `CREATE ROLE reader_${control.name} LOGIN PASSWORD 'x'; CREATE TABLE t (id int PRIMARY KEY);
       ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id > 1);
       GRANT SELECT ON t TO reader_${control.name}`,
    );
    const client = await control.connect({ user: `reader_${control.name}`, password: "x" });
    await assert.rejects(fingerprintDatabase(client), {
      message: 'query would be affected by row-level security policy for table "t"',
    });
    await client.end();
    await control.query(`DROP OWNED BY reader_${control.name}; DROP ROLE reader_${control.name}`);
  });
});
