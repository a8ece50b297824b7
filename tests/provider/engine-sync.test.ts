import { strict as assert } from "node:assert";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";

describe("keeping old and new columns in step", () => {
  const { database, folder, apply, refusal } = useEngine();
  const state = () => database.query("SELECT id, state, reason FROM stateful_cd.migrations");

  /** A table with a name in one text, to be split at its blank. */
  const people = `
    CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, age int);
    INSERT INTO people VALUES (1, 'Ada Lovelace'), (2, 'Alan  Turing'), (3, 'Kurt Gödel');`;
  const functions = `
    ALTER TABLE people ADD COLUMN first text, ADD COLUMN last text;
    CREATE FUNCTION first_of(text) RETURNS text LANGUAGE sql IMMUTABLE
      RETURN nullif(split_part(regexp_replace($1, ' +', ' ', 'g'), ' ', 1), '');
    CREATE FUNCTION last_of(text) RETURNS text LANGUAGE sql IMMUTABLE
      RETURN nullif(split_part(regexp_replace($1, ' +', ' ', 'g'), ' ', 2), '');`;
  const sync = (more = "") => `table: people
old: [name]
new: [first, last]
forward: { first: public.first_of(name), last: public.last_of(name) }
reverse: { name: "concat_ws(' ', first, last)" }
${more}`;
  const writeMigrations = (expand = functions, yaml = sync()): void => {
    folder.write("0001-people.sql", people);
    folder.write("0002-names/expand.sql", expand);
    folder.write("0002-names/sync.yaml", yaml);
  };
  const row = (id: number) =>
    database.query("SELECT name, first, last FROM people WHERE id = $1", [id]);

  describe("of one row", () => {
    it("fills what is there and touches no old spelling", async () => {
      writeMigrations();
      const told: Progress[] = [];
      await apply({ onProgress: (progress) => told.push(progress) });
      assert.deepEqual(await database.query("SELECT name, first, last FROM people ORDER BY id"), [
        { name: "Ada Lovelace", first: "Ada", last: "Lovelace" },
        { name: "Alan  Turing", first: "Alan", last: "Turing" },
        { name: "Kurt Gödel", first: "Kurt", last: "Gödel" },
      ]);
      assert.deepEqual(
        (await state()).map(({ id, state: is }) => [id, is]),
        [
          ["0001-people", "done"],
          ["0002-names", "verified"],
        ],
      );
      assert.match(
        told.find(({ event }) => event === "backfill")?.message ?? "",
        /^backfill: 3 rows of public\.people looked at, [\d,]+ rows\/s$/,
      );
    });

    it("follows whichever side is written, and the new one where both are", async () => {
      writeMigrations();
      await apply();
      const cases: [sql: string, name: string, first: string | null, last: string | null][] = [
        ["INSERT INTO people VALUES (9, 'Grace   Hopper')", "Grace   Hopper", "Grace", "Hopper"],
        ["UPDATE people SET name = 'Grace Hopper' WHERE id = 9", "Grace Hopper", "Grace", "Hopper"],
        ["UPDATE people SET name = 'Emmy Noether' WHERE id = 9", "Emmy Noether", "Emmy", "Noether"],
        ["UPDATE people SET last = 'Klein' WHERE id = 9", "Emmy Klein", "Emmy", "Klein"],
        ["UPDATE people SET name = 'Emmy  Klein' WHERE id = 9", "Emmy  Klein", "Emmy", "Klein"],
        ["UPDATE people SET first = first, last = last, age = 1", "Emmy  Klein", "Emmy", "Klein"],
        ["UPDATE people SET name = 'A B', last = 'D' WHERE id = 9", "Emmy D", "Emmy", "D"],
        ["UPDATE people SET id = 9, last = NULL WHERE id = 9", "Emmy", "Emmy", null],
        [
          "DELETE FROM people WHERE id = 9; INSERT INTO people (id, first) VALUES (9, 'Plato')",
          "Plato",
          "Plato",
          null,
        ],
      ];
      for (const [sql, name, first, last] of cases) {
        await database.query(sql);
        assert.deepEqual(await row(9), [{ name, first, last }], sql);
      }
      assert.deepEqual(await database.query("SELECT written FROM stateful_cd.sync_conflicts"), [
        { written: { name: "A B", first: "Emmy", last: "D" } },
      ]);
    });

    it("serves a writer that has rights on the table alone", async () => {
      writeMigrations();
      await apply();
      await database.query(`
        CREATE ROLE "clerk ${database.name}" LOGIN PASSWORD 'x';
        GRANT INSERT, UPDATE, SELECT ON people TO "clerk ${database.name}"`);
      const clerk = await database.connect({ user: `clerk ${database.name}`, password: "x" });
      await clerk.query(
        "INSERT INTO people VALUES (9, 'A B'); UPDATE people SET name = 'A C', last = 'D' WHERE id = 9",
      );
      assert.deepEqual(await row(9), [{ name: "A D", first: "A", last: "D" }]);
      await clerk.end();
      await database.query(
        `DROP OWNED BY "clerk ${database.name}"; DROP ROLE "clerk ${database.name}"`,
      );
    });

    it("refuses a new value that would not come back", async () => {
      writeMigrations();
      await apply();
      await assert.rejects(database.query("UPDATE people SET first = 'a b c' WHERE id = 1"), {
        message: "these values of first, last would not come back from name",
        code: "23514",
      });
    });

    it("is blocked by rows that do not convert, lists them, and goes on once they are corrected", async () => {
      writeMigrations();
      await apply({ through: "0001-people" });
      await database.query("INSERT INTO people VALUES (7, ' '), (8, '')");
      const message = [
        "UserError: Migration 0002-names is blocked: Rows of public.people that do not convert: 2.",
        'id 7: {"name":" ","first":null,"last":null}',
        'id 8: {"name":"","first":null,"last":null}',
        "Next: correct these rows, or allow NULL with rejects: allow-null in sync.yaml; then run the same command again",
      ].join("\n  ");
      assert.equal(await refusal(), message);
      assert.equal(await refusal(), message);
      assert.deepEqual(
        await database.query("SELECT key, old_values AS old FROM stateful_cd.rejects ORDER BY 1"),
        [
          { key: ["7"], old: { name: " " } },
          { key: ["8"], old: { name: "" } },
        ],
      );
      await database.query(
        "UPDATE people SET name = 'Max Planck' WHERE id = 7; DELETE FROM people WHERE id = 8",
      );
      await apply();
      assert.deepEqual(await row(7), [{ name: "Max Planck", first: "Max", last: "Planck" }]);
      assert.deepEqual(await database.query("SELECT FROM stateful_cd.rejects"), []);
    });

    it("may be told while it is blocked to let such rows be", async () => {
      writeMigrations();
      await apply({ through: "0001-people" });
      await database.query("INSERT INTO people VALUES (8, '')");
      await refusal();
      folder.write("0002-names/sync.yaml", sync("rejects: allow-null\n"));
      await apply();
      assert.deepEqual(await row(8), [{ name: "", first: null, last: null }]);
      assert.equal((await state()).at(-1)?.state, "verified");
    });

    it("repairs what was written past the triggers when it runs again", async () => {
      writeMigrations();
      folder.write("0002-names/checks/no.sql", "SELECT FROM people WHERE age < 0");
      await apply({ through: "0001-people" });
      await database.query("UPDATE people SET age = -1 WHERE id = 1");
      await refusal();
      const replica = await database.connect();
      await replica.query(
        "SET session_replication_role = replica; UPDATE people SET name = 'Kurt G', age = 2",
      );
      await apply();
      assert.deepEqual(await row(2), [{ name: "Kurt G", first: "Kurt", last: "G" }]);
    });

    it("goes through a key of several columns", async () => {
      folder.write(
        "0001-people.sql",
        `CREATE TABLE people (b text, a int, name text, PRIMARY KEY (b, a));
         INSERT INTO people SELECT 'k''' || i % 7, i, 'F' || i || ' L' || i FROM generate_series(1, 2500) i`,
      );
      folder.write("0002-names/expand.sql", functions);
      folder.write("0002-names/sync.yaml", sync());
      await apply();
      assert.deepEqual(
        await database.query(
          "SELECT count(*)::int AS n FROM people WHERE first = 'F' || a AND last = 'L' || a",
        ),
        [{ n: 2500 }],
      );
      assert.deepEqual(
        await database.query("SELECT rows_seen, position FROM stateful_cd.backfills"),
        [{ rows_seen: "2500", position: ["k'6", "2498"] }],
      );
    });
  });

  const refusals: [name: string, expand: string, yaml: string, problems: string[]][] = [
    [
      "columns that are not there",
      "SELECT 1 AS first, 2 AS last",
      sync(),
      ["public.people has no column first.", "public.people has no column last."],
    ],
    ["a table that is not there", "DROP TABLE people", sync(), ["There is no table people."]],
    [
      "a default, which would look as if the release had written it",
      `${functions} ALTER TABLE people ALTER COLUMN last SET DEFAULT 'x'`,
      sync(),
      ["public.people.last has a default: what a release has not written would look as if it had."],
    ],
    [
      "a domain, a length, and a table without a key",
      `${functions} ALTER TABLE people DROP CONSTRAINT people_pkey; CREATE DOMAIN d AS text;
       ALTER TABLE people ALTER id DROP NOT NULL, ALTER COLUMN first TYPE varchar(3), ALTER COLUMN last TYPE d`,
      sync(),
      [
        "public.people.last is of a domain: what a release has not written would look as if it had.",
        "public.people has no primary key, nor another unique key without NULLs.",
        "public.people.first is character varying(3): a value that does not fit would fail the old release's write.",
      ],
    ],
    [
      "a trigger that runs later",
      `${functions} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
       CREATE TRIGGER "~~last" BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION f();
       CREATE TRIGGER zzz BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION f()`,
      sync(),
      ["The trigger ~~last on public.people would change rows after the sync has looked at them."],
    ],
    [
      "a forward expression that is not immutable, or does not exist",
      functions,
      sync()
        .replace("public.last_of(name)", "name || now()")
        .replace("public.first_of", "first_of"),
      [
        "forward.first: function first_of(text) does not exist.",
        "migrations/0002-names/sync.yaml:4:19",
        "4 | forward: { first: first_of(name), last: name || now() }",
        "  |                   ^",
        "forward.last: generation expression is not immutable.",
        "migrations/0002-names/sync.yaml:4:41",
        "4 | forward: { first: first_of(name), last: name || now() }",
        "  |                                         ^",
        "Functions are named with their schema here: write public.first_of.",
      ],
    ],
    [
      "an expression that names a column of its own side",
      functions,
      sync().replace("public.last_of(name)", "first || name"),
      [
        'forward.last: column "first" does not exist.',
        "migrations/0002-names/sync.yaml:4:48",
        "4 | forward: { first: public.first_of(name), last: first || name }",
        "  |                                                ^",
        "forward sees name of the same row, and no other column.",
      ],
    ],
  ];
  for (const [name, expand, yaml, problems] of refusals) {
    it(`refuses ${name}`, async () => {
      writeMigrations(expand, yaml);
      assert.equal(
        await refusal(),
        [
          "UserError: migrations/0002-names/sync.yaml cannot be followed on this database; no trigger was added.",
          ...problems,
          "Next: correct sync.yaml or the table, then run the same command again; to change expand.sql, npm run migrations -- abort 0002-names before you do",
        ].join("\n  "),
      );
      assert.equal((await state()).at(-1)?.state, "expanded");
    });
  }

  it("refuses a function that writers may not execute", async () => {
    writeMigrations(`${functions} REVOKE EXECUTE ON FUNCTION first_of FROM PUBLIC`);
    assert.equal(
      await refusal(),
      [
        "UserError: Migration 0002-names calls a function that not everybody may execute: public.first_of(text).",
        "The triggers of a sync call it for every writer.",
        "Next: GRANT EXECUTE ON FUNCTION public.first_of(text) TO PUBLIC, then run the same command again",
      ].join("\n  "),
    );
    await database.query("GRANT EXECUTE ON FUNCTION first_of TO PUBLIC");
    await apply();
  });

  describe("by looking up", () => {
    const tables = `
      CREATE TABLE sites (id bigint PRIMARY KEY, name text);
      CREATE TABLE stock (id int PRIMARY KEY, item text, site text NOT NULL);
      CREATE INDEX stock_site ON stock (site);
      INSERT INTO sites VALUES (1, 'North'), (2, 'South');
      INSERT INTO stock VALUES (1, 'a', 'North'), (2, 'b', 'South'), (3, 'c', 'North');`;
    const lookup = `kind: lookup
table: stock
name: site
id: site_id
references: { table: sites, id: id, name: name }
`;
    const writeLookup = (more = ""): void => {
      folder.write("0001-stock.sql", `${tables}${more}`);
      folder.write(
        "0002-site/expand.sql",
        "ALTER TABLE stock ADD site_id bigint; CREATE INDEX stock_site_id ON stock (site_id)",
      );
      folder.write("0002-site/sync.yaml", lookup);
    };
    const stock = async () =>
      (await database.query("SELECT item, site, site_id FROM stock ORDER BY id")).map(
        ({ item, site, site_id: id }) => `${String(item)} ${String(site)} ${String(id)}`,
      );

    it("fills what is there, and follows either side", async () => {
      writeLookup();
      await apply();
      assert.deepEqual(await stock(), ["a North 1", "b South 2", "c North 1"]);
      const cases: [sql: string, rows: string[]][] = [
        [
          "INSERT INTO stock VALUES (4, 'd', 'South')",
          ["a North 1", "b South 2", "c North 1", "d South 2"],
        ],
        ["DELETE FROM stock WHERE id = 4", ["a North 1", "b South 2", "c North 1"]],
        [
          "INSERT INTO stock (id, item, site_id) VALUES (4, 'd', 1)",
          ["a North 1", "b South 2", "c North 1", "d North 1"],
        ],
        [
          "UPDATE stock SET site_id = 2 WHERE id = 4",
          ["a North 1", "b South 2", "c North 1", "d South 2"],
        ],
        [
          "UPDATE stock SET site = 'North' WHERE id = 4",
          ["a North 1", "b South 2", "c North 1", "d North 1"],
        ],
        [
          "UPDATE sites SET name = 'Nord' WHERE id = 1",
          ["a Nord 1", "b South 2", "c Nord 1", "d Nord 1"],
        ],
        [
          "UPDATE stock SET site = 'nowhere' WHERE id = 4",
          ["a Nord 1", "b South 2", "c Nord 1", "d nowhere null"],
        ],
        [
          "INSERT INTO sites VALUES (3, 'nowhere')",
          ["a Nord 1", "b South 2", "c Nord 1", "d nowhere 3"],
        ],
        [
          "UPDATE stock SET site = 'South', site_id = 1 WHERE id = 4",
          ["a Nord 1", "b South 2", "c Nord 1", "d Nord 1"],
        ],
      ];
      for (const [sql, rows] of cases) {
        await database.query(sql);
        assert.deepEqual(await stock(), rows, sql);
      }
      assert.deepEqual(await database.query("SELECT written FROM stateful_cd.sync_conflicts"), [
        { written: { site: "South", site_id: 1 } },
      ]);
      await assert.rejects(database.query("INSERT INTO stock (id, site_id) VALUES (9, 77)"), {
        message: "there is no row of public.sites with id 77",
        code: "23503",
        constraint: "stock_site_id_fkey",
      });
    });

    it("builds the unique indexes and validates the foreign key that it needs", async () => {
      writeLookup();
      await apply();
      assert.deepEqual(
        await database.query(
          "SELECT indexrelid::regclass::text AS i FROM pg_index WHERE indrelid = 'sites'::regclass AND indisvalid ORDER BY 1",
        ),
        [{ i: "sites_pkey" }, { i: "stateful_cd_2_key" }, { i: "stateful_cd_2_name_key" }],
      );
      assert.deepEqual(
        await database.query(
          "SELECT pg_get_constraintdef(oid) AS is FROM pg_constraint WHERE contype = 'f' AND conrelid = 'stock'::regclass",
        ),
        [{ is: "FOREIGN KEY (site_id, site) REFERENCES sites(id, name) ON UPDATE CASCADE" }],
      );
    });

    it("tells who holds the oldest snapshot before it builds an index, and at its deadline", async () => {
      writeLookup();
      folder.write("0002-site/expand.sql", "ALTER TABLE stock ADD site_id bigint");
      folder.write("0002-site/sync.yaml", `${lookup}indexes: { stock_site_id: [site_id] }\n`);
      await apply({ through: "0001-stock" });
      const reader = await database.connect({ application_name: "report" });
      await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_am");
      await new Promise((resolve) => setTimeout(resolve, 1100));
      const told: string[] = [];
      const message = await failureOf(() =>
        apply({
          buildDeadlineSeconds: 1,
          onProgress: (progress) => told.push(progress.message),
        }),
      );
      await reader.query("COMMIT");
      assert.match(message, /^UserError: Migration 0002-site failed while building .*\(57014\)\./);
      assert.match(message, /\n  waited for pid \d+, user postgres, application 'report'/);
      assert.equal(
        told.some((line) =>
          /^the oldest snapshot, which has to end first, is held by pid \d+, user postgres, application 'report'/.test(
            line,
          ),
        ),
        true,
      );
      await apply();
    });

    it("is stopped by two rows of one name, and lists them", async () => {
      writeLookup("INSERT INTO sites VALUES (3, 'North');");
      assert.equal(
        await refusal(),
        [
          "UserError: Migration 0002-site needs name of public.sites to be unique, and it is not.",
          '2 times: ["North"]',
          "Next: make these rows differ or merge them, then run the same command again",
        ].join("\n  "),
      );
      await database.query("DELETE FROM sites WHERE id = 3");
      await apply();
    });

    it("is blocked by names of no row, and adopts them when one appears", async () => {
      writeLookup("INSERT INTO stock VALUES (4, 'd', 'West');");
      assert.equal(
        await refusal(),
        [
          "UserError: Migration 0002-site is blocked: Rows of public.stock that name no row of public.sites: 1.",
          'id 4: {"site":"West","site_id":null}',
          "Next: correct these rows, or allow NULL with rejects: allow-null in sync.yaml; then run the same command again",
        ].join("\n  "),
      );
      await database.query("INSERT INTO sites VALUES (3, 'West')");
      assert.deepEqual((await stock()).at(-1), "d West 3");
      await apply();
    });

    it("refuses tables without the indexes that a rename needs", async () => {
      writeLookup("DROP INDEX stock_site; ALTER TABLE sites DROP CONSTRAINT sites_pkey;");
      assert.equal(
        await refusal(),
        [
          "UserError: migrations/0002-site/sync.yaml cannot be followed on this database; no trigger was added.",
          "public.sites.id is not unique.",
          "public.stock has no index that begins with site, by which a rename finds its rows.",
          "Next: correct sync.yaml or the table, then run the same command again; to change expand.sql, npm run migrations -- abort 0002-site before you do",
        ].join("\n  "),
      );
    });
  });
});
