import { strict as assert } from "node:assert";
import { planMigrations } from "../../engine/plan";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";

const id = "0002-change";

describe("one value under another name or of another type", () => {
  const { database, folder, apply, refusal, abort, undo, load, ...engine } = useEngine();

  const contract = async () => {
    const { waiting } = await engine.contract();
    assert.deepEqual(waiting, []);
  };
  const columns = async (): Promise<string[]> =>
    (
      await database.query(
        `SELECT format('%s %s%s%s', attname, format_type(atttypid, atttypmod),
                       CASE WHEN attnotnull THEN ' NOT NULL' END, ' DEFAULT ' || pg_get_expr(adbin, adrelid)) AS is
           FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
          WHERE attrelid = 'things'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname`,
      )
    ).map(({ is }) => String(is));
  const write = (table: string, expand: string, yaml: string): void => {
    folder.write("0001-things.sql", table);
    folder.write(`${id}/expand.sql`, expand);
    folder.write(`${id}/sync.yaml`, yaml);
  };
  /** Statements, each followed by what row 9 is then. */
  const follow = async (
    cases: readonly (readonly [sql: string, old: unknown, fresh: unknown])[],
  ) => {
    for (const [sql, old, fresh] of cases) {
      await database.query(sql);
      const [row] = await database.query("SELECT a, b FROM things WHERE id = 9");
      assert.deepEqual(row, { a: old, b: fresh }, sql);
    }
  };
  const oldWrites = async () =>
    (
      await database.query(
        "SELECT last_value::int AS n, is_called FROM stateful_cd.sync_2_old_writes",
      )
    )[0];

  const rename = "kind: rename\ntable: things\nold: a\nnew: b\n";
  const renamed = (): void => {
    write(
      `CREATE TABLE things (id int PRIMARY KEY, a varchar(9) NOT NULL DEFAULT 'new');
       INSERT INTO things SELECT i, 'v' || i FROM generate_series(1, 500) i;
       INSERT INTO things VALUES (1001, ''), (1002, ' x ')`,
      "ALTER TABLE things ADD COLUMN b varchar(9)",
      rename,
    );
  };

  describe("a rename", () => {
    it("follows either side, and a default that one of them has left to the table", async () => {
      renamed();
      await apply();
      assert.deepEqual(
        await database.query(
          "SELECT count(*)::int AS n FROM things WHERE a IS NOT DISTINCT FROM b",
        ),
        [{ n: 502 }],
      );
      await follow([
        ["INSERT INTO things (id, b) VALUES (9999, 'q')", "v9", "v9"],
        [
          "DELETE FROM things WHERE id = 9; INSERT INTO things (id, b) VALUES (9, 'of 2.0')",
          "of 2.0",
          "of 2.0",
        ],
        ["DELETE FROM things WHERE id = 9; INSERT INTO things (id) VALUES (9)", "new", "new"],
      ]);
      // Neither was an old release's write: the contract would wait for ever otherwise.
      assert.deepEqual(await oldWrites(), { n: 1, is_called: false });
      await follow([
        ["UPDATE things SET a = 'of 1.0' WHERE id = 9", "of 1.0", "of 1.0"],
        ["UPDATE things SET b = '' WHERE id = 9", "", ""],
        ["UPDATE things SET a = a, b = b WHERE id = 9", "", ""],
        ["DELETE FROM things WHERE id = 9; INSERT INTO things VALUES (9, 'x')", "x", "x"],
      ]);
      assert.deepEqual(await database.query("SELECT FROM stateful_cd.sync_conflicts"), []);
      await assert.rejects(database.query("UPDATE things SET b = NULL WHERE id = 9"), {
        code: "23502",
      });
    });

    it("leaves the new column as the old one was: required, and with its default", async () => {
      renamed();
      await apply();
      await contract();
      assert.deepEqual(await columns(), [
        "_dropped_a character varying(9) DEFAULT 'new'::character varying",
        "b character varying(9) NOT NULL DEFAULT 'new'::character varying",
        "id integer NOT NULL",
      ]);
      assert.deepEqual(await database.query("INSERT INTO things (id) VALUES (9000) RETURNING b"), [
        { b: "new" },
      ]);
    });

    it("comes back by undo with what was written since, and can be contracted again", async () => {
      renamed();
      await apply();
      await contract();
      await database.query(
        "UPDATE things SET b = 'since' WHERE id = 9; INSERT INTO things (id, b) VALUES (9000, 'late')",
      );
      await undo(id);
      assert.deepEqual(
        await database.query("SELECT a, b FROM things WHERE id IN (9, 10, 9000) ORDER BY id"),
        [
          { a: "since", b: "since" },
          { a: "v10", b: "v10" },
          { a: "late", b: "late" },
        ],
      );
      await follow([
        ["UPDATE things SET a = 'old' WHERE id = 9", "old", "old"],
        ["UPDATE things SET b = 'fresh' WHERE id = 9", "fresh", "fresh"],
        ["DELETE FROM things WHERE id = 9; INSERT INTO things VALUES (9, 'x')", "x", "x"],
      ]);
      await contract();
      assert.equal((await columns())[1]?.startsWith("b character varying(9) NOT NULL"), true);
    });

    it("of a type that is not PostgreSQL's own follows either side, to its contract and back", async () => {
      write(
        `CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE TABLE things (id mood PRIMARY KEY, a mood NOT NULL DEFAULT 'sad');
         INSERT INTO things VALUES ('happy', 'happy')`,
        "ALTER TABLE things ADD COLUMN b mood",
        rename,
      );
      await apply();
      assert.deepEqual(
        await database.query("UPDATE things SET b = 'sad' RETURNING a::text, b::text"),
        [{ a: "sad", b: "sad" }],
      );
      await contract();
      await undo(id);
      assert.deepEqual(
        await database.query("UPDATE things SET a = 'happy' RETURNING a::text, b::text"),
        [{ a: "happy", b: "happy" }],
      );
    });

    it("is taken back by abort", async () => {
      renamed();
      await apply();
      await abort(id);
      assert.deepEqual(await columns(), [
        "a character varying(9) NOT NULL DEFAULT 'new'::character varying",
        "id integer NOT NULL",
      ]);
      assert.deepEqual(
        await database.query("SELECT FROM pg_proc WHERE proname LIKE 'sync_2%'"),
        [],
      );
    });
  });

  describe("a change of the type", () => {
    it("from int to bigint needs a name and a type, and works to its contract and back", async () => {
      write(
        `CREATE TABLE things (id int PRIMARY KEY, a int NOT NULL DEFAULT 0);
         INSERT INTO things SELECT i, i * 1000 FROM generate_series(1, 500) i;
         INSERT INTO things VALUES (1001, 2147483647), (1002, -2147483648)`,
        "ALTER TABLE things ADD COLUMN b bigint",
        "kind: type\ntable: things\nold: a\nnew: b\ntype: bigint\n",
      );
      await apply();
      await follow([
        ["UPDATE things SET b = 77 WHERE id = 9", 77, "77"],
        ["UPDATE things SET a = 78 WHERE id = 9", 78, "78"],
        ["DELETE FROM things WHERE id = 9; INSERT INTO things (id) VALUES (9)", 0, "0"],
        ["DELETE FROM things WHERE id = 9; INSERT INTO things (id, b) VALUES (9, 5)", 5, "5"],
      ]);
      await assert.rejects(database.query("UPDATE things SET b = 3000000000 WHERE id = 9"), {
        message: "integer out of range",
      });
      await contract();
      await database.query("UPDATE things SET b = 3000000000 WHERE id = 309");
      assert.deepEqual(await columns(), [
        "_dropped_a integer DEFAULT 0",
        "b bigint NOT NULL DEFAULT (0)::bigint",
        "id integer NOT NULL",
      ]);
      assert.equal(
        await failureOf(() => undo(id)),
        [
          `UserError: Migration ${id} failed while filling the new columns: integer out of range (22003).`,
          "row of public.things: id 309",
          "Next: mend what is named above, then run the same command again",
        ].join("\n  "),
      );
      await database.query("UPDATE things SET b = 4 WHERE id = 309");
      await undo(id);
      await follow([["UPDATE things SET a = 6 WHERE id = 9", 6, "6"]]);
    });

    it("takes expressions where a cast would fail, or would not be the same every day", async () => {
      write(
        `CREATE TABLE things (id int PRIMARY KEY, a timestamp);
         INSERT INTO things VALUES (1, '2024-03-31 02:30'), (9, '2024-01-01 00:00'), (10, NULL)`,
        "ALTER TABLE things ADD COLUMN b timestamptz",
        [
          "kind: type\ntable: things\nold: a\nnew: b\ntype: timestamptz",
          "using: a AT TIME ZONE 'UTC'\nback: b AT TIME ZONE 'UTC'\n",
        ].join("\n"),
      );
      await apply();
      await database.query("UPDATE things SET b = '2025-06-01 12:00+02' WHERE id = 9");
      assert.deepEqual(
        await database.query(
          "SELECT a::text, b AT TIME ZONE 'UTC' = a AS same FROM things ORDER BY id",
        ),
        [
          { a: "2024-03-31 02:30:00", same: true },
          { a: "2025-06-01 10:00:00", same: true },
          { a: null, same: null },
        ],
      );
      await contract();
    });

    it("that fails for a value is refused where the cast is derived, too", async () => {
      write(
        "CREATE TABLE things (id int PRIMARY KEY, a text)",
        "ALTER TABLE things ADD COLUMN b int",
        "kind: type\ntable: things\nold: a\nnew: b\ntype: int\n",
      );
      assert.equal(
        await refusal(),
        [
          "UserError: migrations/0002-change/sync.yaml does not keep what is written; no trigger was added.",
          'forward.b fails for {"a" : "a"} (made up): invalid input syntax for type integer: "a".',
          "migrations/0002-change/sync.yaml:4:6",
          "4 | new: b",
          "  |      ^",
          "A release's write would fail. Make it NULL for what does not convert (CASE WHEN ... END), or rule such values out with a CHECK of the table.",
          "Next: correct the expressions or these rows, then run the same command again; to change expand.sql, npm run migrations -- abort 0002-change before you do",
        ].join("\n  "),
      );
    });
  });

  it("is followed where every rule of the old column has its like, and both defaults are one value", async () => {
    write(
      `CREATE TABLE things (id int PRIMARY KEY, a numeric DEFAULT 1 CHECK (a > 0), gone date);
       CREATE UNIQUE INDEX present ON things (a) WHERE gone IS NULL`,
      `ALTER TABLE things ADD b numeric DEFAULT 1.0;
       ALTER TABLE things ADD CHECK (b > 0);
       CREATE UNIQUE INDEX b_present ON things (b) WHERE gone IS NULL`,
      rename,
    );
    await apply();
    await follow([["INSERT INTO things (id, b) VALUES (9, 7)", "7", "7"]]);
  });

  it("is corrected in expand.sql in the way that its refusal tells", async () => {
    const table = "CREATE TABLE things (id int PRIMARY KEY, a int)";
    write(table, "ALTER TABLE things ADD b text", rename);
    const refused = await refusal();
    assert.match(refused, new RegExp(`npm run migrations -- abort ${id} before you do$`));
    await abort(id);
    write(table, "ALTER TABLE things ADD b int", rename);
    await apply();
    await follow([["INSERT INTO things (id, b) VALUES (9, 7)", 7, 7]]);
  });

  const refusals: [
    name: string,
    table: string,
    expand: string,
    yaml: string,
    problems: string[],
  ][] = [
    [
      "a column that expand.sql does not make",
      "CREATE TABLE things (id int PRIMARY KEY, a varchar(9))",
      "SELECT 1 AS b",
      rename,
      [
        "public.things has no column b.",
        'expand.sql has to make it: ALTER TABLE public.things ADD COLUMN "b" character varying(9);',
      ],
    ],
    [
      "a column of another type than is said",
      "CREATE TABLE things (id int PRIMARY KEY, a int)",
      "ALTER TABLE things ADD b text",
      "kind: type\ntable: things\nold: a\nnew: b\ntype: int8\n",
      [
        'public.things.b is text, and is to be bigint: write ALTER TABLE public.things ADD COLUMN "b" bigint;',
      ],
    ],
    [
      "a rename that changes the type",
      "CREATE TABLE things (id int PRIMARY KEY, a int)",
      "ALTER TABLE things ADD b bigint",
      rename,
      [
        'public.things.b is bigint, and is to be integer: write ALTER TABLE public.things ADD COLUMN "b" integer;, or use kind: type',
      ],
    ],
    [
      "keys that the new column does not have",
      `CREATE TABLE kinds (id int PRIMARY KEY);
       CREATE TABLE things (id int PRIMARY KEY, a int REFERENCES kinds, c int, UNIQUE (c, a))`,
      "ALTER TABLE things ADD b int",
      rename,
      [
        'public.things.a is a foreign key by things_a_fkey, and b is not: add to expand.sql ALTER TABLE public.things ADD FOREIGN KEY ("b") REFERENCES kinds(id);',
        'public.things.a is unique by things_c_a_key, and b is not: add to expand.sql CREATE UNIQUE INDEX CONCURRENTLY "things_c_b_key" ON public.things ("c", "b");',
      ],
    ],
    [
      "a primary key, and what refers to it",
      "CREATE TABLE things (id int, a int PRIMARY KEY); CREATE TABLE others (a int REFERENCES things)",
      "ALTER TABLE things ADD b bigint",
      "kind: type\ntable: things\nold: a\nnew: b\ntype: bigint\n",
      [
        'public.things.a is of the primary key things_pkey: the backfill finds its rows by it, and a column of it cannot be archived. Change its type where it stands, with "-- atomic: true" on the file\'s first line, at an hour when nobody works with the table: npm run migrations -- plan tells how long it takes.',
        "public.things.a is what the foreign key others_a_fkey refers to: let that refer to another column first, in a migration before.",
      ],
    ],
    [
      "partial and expression indexes, EXCLUDE and CHECK that the new column does not have",
      `CREATE TABLE things (id int PRIMARY KEY, a int CHECK (a > 0), gone date, c int,
         CONSTRAINT apart EXCLUDE USING btree (a WITH =), CHECK (c IS DISTINCT FROM a));
       CREATE UNIQUE INDEX present ON things (a) WHERE gone IS NULL;
       CREATE UNIQUE INDEX twofold ON things ((a / 2));
       CREATE INDEX slow ON things (a) WHERE c > 0`,
      // Another form, and other columns: neither is what the old one has.
      `ALTER TABLE things ADD b int;
       CREATE UNIQUE INDEX others ON things (b) WHERE c IS NULL;
       ALTER TABLE things ADD CONSTRAINT like_c CHECK (c IS DISTINCT FROM b)`,
      rename,
      [
        "public.things.a is under the rule apart, and b is under none of its kind: EXCLUDE USING btree (a WITH =). Add it for b to expand.sql, or drop it there.",
        "public.things.a is under the rule present, and b is under none of its kind: CREATE UNIQUE INDEX present ON public.things USING btree (a) WHERE (gone IS NULL). Add it for b to expand.sql, or drop it there.",
        "public.things.a is under the rule things_a_check, and b is under none of its kind: CHECK ((a > 0)). Add it for b to expand.sql, or drop it there.",
        "public.things.a is under the rule twofold, and b is under none of its kind: CREATE UNIQUE INDEX twofold ON public.things USING btree (((a / 2))). Add it for b to expand.sql, or drop it there.",
      ],
    ],
    [
      "two defaults that are not one value",
      "CREATE TABLE things (id int PRIMARY KEY, a text DEFAULT 'x')",
      "ALTER TABLE things ADD b text DEFAULT 'y'",
      rename,
      [
        "public.things.b has the default 'y'::text, and a has 'x'::text: what a release writes would be lost where it is its own default. Give both the same one, or b none: the contract hands it the old one's.",
      ],
    ],
    [
      "two defaults of which one cannot be the other's type",
      "CREATE TABLE things (id int PRIMARY KEY, a text DEFAULT 'x')",
      "ALTER TABLE things ADD b int DEFAULT 1",
      "kind: type\ntable: things\nold: a\nnew: b\ntype: int\n",
      [
        "public.things.b has the default 1, and a has 'x'::text: they cannot be compared: invalid input syntax for type integer: \"x\". Give both the same one, or b none: the contract hands it the old one's.",
      ],
    ],
    [
      "a default that is another value each time",
      "CREATE TABLE things (id int PRIMARY KEY, a bigserial)",
      "ALTER TABLE things ADD b bigint",
      rename,
      [
        "public.things.a has the default nextval('public.things_a_seq'::regclass), another value each time: what a release has not written would look as if it had. Give it a default that is one value, or none.",
      ],
    ],
  ];
  for (const [name, table, expand, yaml, problems] of refusals) {
    it(`refuses ${name}`, async () => {
      write(table, expand, yaml);
      assert.equal(
        await refusal(),
        [
          "UserError: migrations/0002-change/sync.yaml cannot be followed on this database; no trigger was added.",
          ...problems,
          "Next: correct sync.yaml or the table, then run the same command again; to change expand.sql, npm run migrations -- abort 0002-change before you do",
        ].join("\n  "),
      );
    });
  }

  it("finds what the catalog says against it before expand.sql is applied, where nothing there mends it", async () => {
    await database.query(
      `CREATE TABLE things (id int, a text DEFAULT 'x' UNIQUE CHECK (a <> ''));
       CREATE TABLE parts (id int PRIMARY KEY, a int) PARTITION BY RANGE (id)`,
    );
    folder.write("0001-change/expand.sql", "ALTER TABLE things ADD b int");
    folder.write(
      "0001-change/sync.yaml",
      "kind: type\ntable: things\nold: a\nnew: b\ntype: int\nusing: length(a)\nback: repeat('x', b)\n",
    );
    folder.write("0002-parts/expand.sql", "ALTER TABLE parts ADD b int");
    folder.write("0002-parts/sync.yaml", "kind: rename\ntable: parts\nold: a\nnew: b\n");
    const problems = [
      "migrations/0001-change/sync.yaml: public.things.a has a default, to which using cannot be applied: drop it in a migration before, and give b its own in contract.sql.",
      "migrations/0001-change/sync.yaml: public.things has no primary key, nor another unique key without NULLs.",
      "migrations/0001-change/sync.yaml: public.things.a is under the rule things_a_check, and b is under none of its kind: CHECK ((a <> ''::text)). Add it for b to expand.sql, or drop it there.",
      'migrations/0001-change/sync.yaml: public.things.a is unique by things_a_key, and b is not: add to expand.sql CREATE UNIQUE INDEX CONCURRENTLY "things_b_key" ON public.things ("b");',
      "migrations/0002-parts/sync.yaml: public.parts is not an ordinary table without children.",
    ];
    const message = [
      "A pending migration cannot be followed on this database; nothing was run.",
      ...problems,
      "Next: correct sync.yaml, expand.sql or the table, then run the same command again",
    ].join("\n  ");
    assert.equal(await refusal(), `UserError: ${message}`);
    const plan = await planMigrations(await database.connect(), await load());
    assert.deepEqual(
      plan.refusals.map((text) => text.replaceAll(folder.path, "migrations")),
      [message],
    );
    assert.deepEqual(
      await database.query("SELECT to_regnamespace('stateful_cd')::text AS journal"),
      [{ journal: null }],
    );
    folder.remove("0002-parts");
    folder.write(
      "0001-change/expand.sql",
      `ALTER TABLE things ADD PRIMARY KEY (id); ALTER TABLE things ALTER a DROP DEFAULT;
       ALTER TABLE things ADD b int CHECK (b > 0);
       CREATE UNIQUE INDEX CONCURRENTLY "things_b_key" ON public.things ("b");`,
    );
    await apply();
  });
});
