import { strict as assert } from "node:assert";
import { mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { readContents } from "../../components/releaseContents";
import { readHistory } from "../../components/schemaHistory";
import {
  digestOfRepeatables,
  loadRepeatables,
  readRepeatables,
} from "../../engine/files/repeatableFolder";
import { orderRepeatables } from "../../engine/files/repeatableOrder";
import { failureOf, useFolder } from "../migrationFolder";

describe("repeatable/", () => {
  const folder = useFolder();
  const load = () => loadRepeatables(folder.path);
  const refusal = async () => (await failureOf(load, folder)).split("\n  ");
  const mistake = async () => {
    const lines = await refusal();
    assert.equal(
      lines[0],
      "UserError: The migrations in migrations have a mistake; nothing was run.",
    );
    assert.equal(lines.at(-1), "Next: correct the files named above");
    return lines.slice(1, -1);
  };
  const order = async () =>
    (await orderRepeatables(await load())).map(({ file }) => file.path.replace("repeatable/", ""));
  const view = (name: string, query: string) => {
    folder.write(`repeatable/${name}.sql`, `CREATE OR REPLACE VIEW public.${name} AS ${query};`);
  };
  const sqlFunction = (name: string, body: string) => {
    folder.write(
      `repeatable/${name}.sql`,
      `CREATE OR REPLACE FUNCTION public.${name}() RETURNS int ${body};`,
    );
  };

  describe("holds", () => {
    it("nothing where there is no such folder, or an empty one", async () => {
      assert.deepEqual(await load(), []);
      assert.equal(digestOfRepeatables([]), undefined);
      mkdirSync(path.join(folder.path, "repeatable"));
      assert.deepEqual(await load(), []);
    });

    it("definitions that can be replaced, and what is said about them", async () => {
      folder.write(
        "repeatable/all.sql",
        `CREATE OR REPLACE VIEW public.v AS SELECT 1 AS a;
CREATE OR REPLACE RECURSIVE VIEW n (i) AS SELECT 1;
CREATE OR REPLACE FUNCTION public.f(a int, VARIADIC b text[]) RETURNS int LANGUAGE sql RETURN 1;
CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
CREATE OR REPLACE TRIGGER t INSTEAD OF INSERT ON public.v FOR EACH ROW EXECUTE FUNCTION public.f();
GRANT SELECT ON v, public.n TO PUBLIC; REVOKE ALL ON FUNCTION f(int, text[]) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE p() TO PUBLIC; COMMENT ON VIEW v IS 'v'; COMMENT ON COLUMN public.v.a IS 'a';
COMMENT ON FUNCTION f IS 'f'; COMMENT ON TRIGGER t ON v IS 't'; COMMENT ON PROCEDURE p IS NULL;
ALTER VIEW v OWNER TO postgres; ALTER FUNCTION f OWNER TO postgres;`,
      );
      assert.equal((await load()).length, 1);
    });
  });

  describe("gives a digest that tells", () => {
    it("texts and names, not line ends", () => {
      const digests = new Set<string | undefined>();
      const note = () => digests.add(digestOfRepeatables(readRepeatables(folder.path)));
      folder.write("repeatable/a.sql", "CREATE OR REPLACE VIEW a AS\nSELECT 1;\n");
      note();
      folder.write("repeatable/a.sql", "CREATE OR REPLACE VIEW a AS\r\nSELECT 1;\r\n");
      note();
      assert.equal(digests.size, 1);
      folder.write("repeatable/a.sql", "CREATE OR REPLACE VIEW a AS\nSELECT 2;\n");
      note();
      folder.remove("repeatable/a.sql");
      folder.write("repeatable/b.sql", "CREATE OR REPLACE VIEW a AS\nSELECT 2;\n");
      note();
      assert.equal(digests.size, 3);
    });
  });

  const wrongNames = ["a b.sql", "-a.sql", "a.SQL", "a", "ä.sql", "a.sql\n.sql"];
  for (const name of wrongNames) {
    it(`refuses the name ${JSON.stringify(name)}`, async () => {
      folder.write(`repeatable/${name}`, "CREATE OR REPLACE VIEW a AS SELECT 1");
      assert.deepEqual(await mistake(), [
        `${JSON.stringify(`migrations/repeatable/${name}`)} is not the name of a repeatable file.`,
        "  Allowed: <name>.sql, an ordinary file; letters, digits, '-', '_' and '.'.",
      ]);
    });
  }

  it("refuses folders and links within it, and being one itself", async () => {
    folder.write("repeatable/sub/a.sql", "SELECT 1");
    folder.write("elsewhere.sql", "SELECT 1");
    symlinkSync(
      path.join(folder.path, "elsewhere.sql"),
      path.join(folder.path, "repeatable/link.sql"),
    );
    assert.deepEqual(
      (await refusal()).filter((line) => line.includes("is not the name")),
      ["link.sql", "sub"].map(
        (name) => `"migrations/repeatable/${name}" is not the name of a repeatable file.`,
      ),
    );
    folder.remove("repeatable");
    symlinkSync(folder.path, path.join(folder.path, "repeatable"));
    assert.deepEqual(await refusal(), [
      "UserError: migrations/repeatable is not a folder.",
      "It holds views and functions, a file each: repeatable/<name>.sql.",
      "Next: make it a folder, or give it another name",
    ]);
  });

  const about = "CREATE OR REPLACE VIEW public.v AS SELECT 1 AS a;\n";
  const notOwn = "put it into the file that makes it, or into a migration";
  const elsewhere =
    "put it into a migration; a repeatable file holds CREATE OR REPLACE VIEW, FUNCTION, PROCEDURE and TRIGGER, and GRANT, REVOKE, COMMENT and OWNER TO about what it makes";
  const refused: [sql: string, problem: string, fix: string][] = [
    [
      "CREATE VIEW w AS SELECT 1",
      "CREATE VIEW fails when it is run again",
      "write CREATE OR REPLACE VIEW",
    ],
    [
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
      "CREATE FUNCTION fails when it is run again",
      "write CREATE OR REPLACE FUNCTION",
    ],
    [
      "CREATE PROCEDURE p() LANGUAGE sql AS ''",
      "CREATE PROCEDURE fails when it is run again",
      "write CREATE OR REPLACE PROCEDURE",
    ],
    [
      "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION f()",
      "CREATE TRIGGER fails when it is run again",
      "write CREATE OR REPLACE TRIGGER",
    ],
    [
      "CREATE OR REPLACE TEMP VIEW w AS SELECT 1",
      "A temporary view is gone when the run ends",
      "make it a view",
    ],
    [
      "CREATE OR REPLACE FUNCTION f(a t.c%TYPE) RETURNS int LANGUAGE sql RETURN 1",
      "%TYPE makes another function once the column has another type",
      "name the argument's type itself",
    ],
    [
      "CREATE MATERIALIZED VIEW m AS SELECT 1",
      "A materialized view holds rows and cannot be replaced",
      "create it in a migration; a view of repeatable/ may read it",
    ],
    ["CREATE TABLE t ()", "This is no definition that can be replaced", elsewhere],
    ["DROP VIEW v", "This is no definition that can be replaced", elsewhere],
    [
      "ALTER VIEW v ALTER COLUMN a SET DEFAULT 1",
      "This is no definition that can be replaced",
      elsewhere,
    ],
    ["SET search_path = x", "This is no definition that can be replaced", elsewhere],
    [
      "GRANT SELECT ON ALL TABLES IN SCHEMA public TO x",
      "This is no definition that can be replaced",
      elsewhere,
    ],
    ["BEGIN", "A repeatable file is one transaction already", "remove it"],
    ...[
      "INSERT INTO t VALUES (1)",
      "UPDATE t SET a = 1",
      "DELETE FROM t",
      "TRUNCATE t",
      "SELECT f()",
    ]
      .concat(["CALL p()", "DO ''", "REFRESH MATERIALIZED VIEW m", "COPY t FROM '/x'"])
      .map((sql): [string, string, string] => [
        sql,
        "A repeatable file changes no rows, and runs nothing that may",
        "put it into a migration",
      ]),
    [
      "COPY t FROM STDIN",
      "COPY FROM STDIN needs psql at the other end",
      "write the rows as INSERT INTO ... VALUES",
    ],
    ["GRANT SELECT ON stock TO x", "This is about an object that the file does not make", notOwn],
    ["GRANT SELECT ON other.v TO x", "This is about an object that the file does not make", notOwn],
    [
      "REVOKE ALL ON FUNCTION v() FROM x",
      "This is about an object that the file does not make",
      notOwn,
    ],
    [
      "COMMENT ON COLUMN stock.a IS ''",
      "This is about an object that the file does not make",
      notOwn,
    ],
    [
      "COMMENT ON TRIGGER v ON v IS ''",
      "This is about an object that the file does not make",
      notOwn,
    ],
    ["ALTER VIEW w OWNER TO x", "This is about an object that the file does not make", notOwn],
  ];
  for (const [sql, problem, fix] of refused) {
    it(`refuses ${sql}`, async () => {
      folder.write("repeatable/a.sql", `${about}${sql};`);
      assert.deepEqual(await mistake(), [
        `${problem}.`,
        "  migrations/repeatable/a.sql:2:1",
        `  2 | ${sql};`,
        "    | ^",
        `  fix: ${fix}`,
      ]);
    });
  }

  const texts: [what: string, text: string, problem: string][] = [
    ["an empty file", "", "migrations/repeatable/a.sql is empty."],
    ["comments only", "-- later", "migrations/repeatable/a.sql holds no statement."],
    [
      "a byte-order mark",
      "\ufeffSELECT 1",
      "migrations/repeatable/a.sql:1:1 starts with a byte-order mark (EF BB BF).",
    ],
    ["a command of psql", `${about}\\d`, "\\d is a command of psql, not SQL."],
    ["a syntax error", `${about}CREATE OR VIEW`, 'syntax error at or near "VIEW".'],
  ];
  for (const [what, text, problem] of texts) {
    it(`refuses ${what}`, async () => {
      folder.write("repeatable/a.sql", text);
      assert.equal((await mistake())[0], problem);
    });
  }

  describe("is run in an order", () => {
    it("in which every view comes after those that it reads", async () => {
      view("a", "SELECT * FROM public.b JOIN c USING (id)");
      view("b", "SELECT id FROM d");
      view("c", "WITH a AS (SELECT 1 AS id) SELECT * FROM a");
      view("d", "SELECT 1 AS id, 'a' AS text");
      assert.deepEqual(await order(), ["c.sql", "d.sql", "b.sql", "a.sql"]);
    });

    it("that follows calls, texts in SQL, arguments of a row's type, and triggers", async () => {
      view("a", "SELECT public.z() AS n");
      sqlFunction("z", "LANGUAGE sql AS $$ SELECT count(*)::int FROM y $$");
      view("y", "SELECT 1");
      folder.write(
        "repeatable/b.sql",
        "CREATE OR REPLACE FUNCTION public.of_row(r x) RETURNS int LANGUAGE sql RETURN 1;",
      );
      view("x", "SELECT 1");
      folder.write(
        "repeatable/c.sql",
        "CREATE OR REPLACE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION w();",
      );
      view("v", "SELECT 1");
      sqlFunction("w", "LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$");
      assert.deepEqual(await order(), [
        ...["v.sql", "w.sql", "c.sql", "x.sql", "b.sql", "y.sql", "z.sql", "a.sql"],
      ]);
    });

    it("by schema where both give one", async () => {
      view("a", "SELECT 1 FROM other.b");
      view("b", "SELECT 1");
      assert.deepEqual(await order(), ["a.sql", "b.sql"]);
    });

    it("that words of PL/pgSQL and of texts decide only where nothing else does", async () => {
      sqlFunction("a", "LANGUAGE plpgsql AS $$ BEGIN RETURN public.b(); END $$");
      sqlFunction("b", "LANGUAGE plpgsql AS $$ BEGIN RETURN public.a(); END $$");
      sqlFunction("c", "LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT n FROM d); END $$");
      view("d", "SELECT 'b' AS text, 1 AS n");
      assert.deepEqual(await order(), ["a.sql", "b.sql", "d.sql", "c.sql"]);
    });

    it("that namesakes with other arguments do not turn into a circle", async () => {
      for (const type of ["int", "text"]) {
        folder.write(
          `repeatable/f_${type}.sql`,
          `CREATE OR REPLACE FUNCTION f(a ${type}) RETURNS int LANGUAGE sql RETURN 1;`,
        );
      }
      assert.deepEqual(await order(), ["f_int.sql", "f_text.sql"]);
    });

    it("unless they need each other in a circle, which is named", async () => {
      view("a", "SELECT public.b() AS n");
      sqlFunction("b", "LANGUAGE sql AS $$ SELECT 1 FROM public.c $$");
      view("c", "SELECT n FROM public.a");
      view("d", "SELECT n FROM public.a");
      assert.deepEqual(await refusal(), [
        "UserError: Repeatable files need each other in a circle; nothing was run.",
        "repeatable/a.sql names function public.b of repeatable/b.sql:",
        "  migrations/repeatable/a.sql:1:1",
        "  1 | CREATE OR REPLACE VIEW public.a AS SELECT public.b() AS n;",
        "    | ^",
        "repeatable/b.sql names view public.c of repeatable/c.sql:",
        "  migrations/repeatable/b.sql:1:1",
        "  1 | CREATE OR REPLACE FUNCTION public.b() RETURNS int LANGUAGE sql AS $$ SELECT 1 FROM public.c $$;",
        "    | ^",
        "repeatable/c.sql names view public.a of repeatable/a.sql:",
        "  migrations/repeatable/c.sql:1:1",
        "  1 | CREATE OR REPLACE VIEW public.c AS SELECT n FROM public.a;",
        "    | ^",
        "Next: put them into one file in the order they need, or write a function in PL/pgSQL, which looks names up when it runs",
      ]);
    });

    it("unless two make the same object", async () => {
      view("a", "SELECT 1");
      folder.write("repeatable/b.sql", "CREATE OR REPLACE VIEW public.a AS SELECT 2;");
      assert.deepEqual(await refusal(), [
        "UserError: Two repeatable files make view public.a; nothing was run.",
        "migrations/repeatable/a.sql",
        "migrations/repeatable/b.sql",
        "Next: keep one of the two definitions",
      ]);
    });
  });

  describe("is part of a release", () => {
    beforeEach(() => {
      folder.write("0001-a.sql", "SELECT 1");
      folder.write("0002-b.sql", "SELECT 1");
    });
    const history = async (last: string) =>
      (await readHistory({ folder: folder.path, last })).repeatables;
    const contents = async () => {
      const image = { image: "x", version: "1" };
      const parts = { backend: image, frontend: image, pooler: image, server: image };
      const migrations = { folder: folder.path, last: "0002-b" };
      return readContents({ version: "1.0.0", ...parts, migrations } as unknown as Parameters<
        typeof readContents
      >[0]);
    };

    it("whose last migration is the last of all, and only then", async () => {
      assert.equal(await history("0002-b"), undefined);
      view("a", "SELECT 1");
      assert.match((await history("0002-b")) ?? "", /^sha256:/);
      assert.equal(await history("0001-a"), undefined);
    });

    it("whose digest it changes", async () => {
      const digests = [(await contents()).releaseDigest];
      view("a", "SELECT 1");
      digests.push((await contents()).releaseDigest);
      view("a", "SELECT 2");
      digests.push((await contents()).releaseDigest);
      assert.equal(new Set(digests).size, 3);
    });

    it("that is refused with its mistakes before anything is planned", async () => {
      folder.write("repeatable/a.sql", "DROP TABLE t;");
      assert.match(
        await failureOf(() => history("0002-b"), folder),
        /This is no definition that can be replaced\.\n {4}migrations\/repeatable\/a\.sql:1:1/,
      );
    });
  });
});
