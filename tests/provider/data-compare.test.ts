import { strict as assert } from "node:assert";
import { compareData, type Difference } from "../../data/compare";
import { type DeclaredChanges, parseDeclaredChanges } from "../../data/declaredChanges";
import { failureOf } from "../migrationFolder";
import { useDatabase } from "../postgres";

const schema = `
CREATE SCHEMA bbq;
CREATE TYPE bbq.cut AS ENUM ('brisket', 'ribs');
CREATE TABLE bbq.stock (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  cut bbq.cut,
  price numeric,
  note json,
  sold boolean,
  added date,
  seen timestamptz,
  weight double precision,
  days date[],
  took interval
);`;
const rows = `
INSERT INTO bbq.stock
SELECT n, 'item ' || n, CASE n % 3 WHEN 0 THEN 'ribs' WHEN 1 THEN 'brisket' END::bbq.cut,
       CASE WHEN n % 7 <> 0 THEN n / 10.0 END, json_build_object('n', n, 'm', n),
       n % 2 = 0, date '2024-01-01' + n, timestamptz '2024-01-01 00:00Z' + n * interval '1 h',
       n / 3.0, ARRAY[date '2024-01-01' + n], n * interval '1 h'
  FROM generate_series(1, 1000) AS n`;

describe("two databases with the same rows", () => {
  const control = useDatabase();
  const candidate = useDatabase();

  async function compare(declared: DeclaredChanges[] = []) {
    return compareData(await control.connect(), await candidate.connect(), declared);
  }

  /** What was found, a line each: where, and which keys. */
  const found = (differences: readonly Difference[]): string[] =>
    differences.map(({ table, column, changed, onlyInControl, onlyInCandidate }) => {
      const keys = { changed, onlyInControl, onlyInCandidate };
      const named = Object.entries(keys).filter(([, list]) => list.length > 0);
      const texts = named.map(([kind, list]) => `${kind} ${list.join(" ")}`);
      return [`${table} ${column ?? "(rows)"}`, ...texts].join(": ");
    });

  const declaration = (text: string): DeclaredChanges => {
    const { value, mistakes } = parseDeclaredChanges(text);
    assert.ok(value, JSON.stringify(mistakes));
    return value;
  };

  describe("of one table", () => {
    beforeEach(async () => {
      await control.query(`${schema}${rows}`);
      // Another physical order, other OIDs of the enum's labels, other settings of the session.
      await candidate.query(
        `CREATE TYPE other AS ENUM ('a', 'b', 'c'); ${schema}${rows} ORDER BY n DESC;
         UPDATE bbq.stock SET name = name WHERE id % 3 = 0;
         ALTER DATABASE ${candidate.name} SET timezone = 'Asia/Tokyo';
         ALTER DATABASE ${candidate.name} SET datestyle = 'German';
         ALTER DATABASE ${candidate.name} SET intervalstyle = 'iso_8601';
         ALTER DATABASE ${candidate.name} SET extra_float_digits = 0`,
      );
    });

    it("are equal whatever their order, the OIDs of enums and the settings, twenty times", async () => {
      const [a, b] = [await control.connect(), await candidate.connect()];
      for (let time = 0; time < 20; time++) {
        const comparison = await compareData(a, b, []);
        assert.deepEqual(comparison, {
          differences: [],
          tables: 1,
          columns: 11,
          rows: 1000,
          notCompared: [],
        });
      }
    });

    const changes: [what: string, sql: string, lines: string[]][] = [
      [
        "values that two rows have exchanged",
        `UPDATE bbq.stock s SET name = o.name FROM bbq.stock o
          WHERE (s.id, o.id) IN ((5, 900), (900, 5))`,
        ["bbq.stock name: changed id=5 id=900"],
      ],
      [
        "a name emptied",
        "UPDATE bbq.stock SET name = '' WHERE id = 42",
        ["bbq.stock name: changed id=42"],
      ],
      [
        "a NULL filled and a value nulled in its place",
        "UPDATE bbq.stock SET cut = CASE id WHEN 2 THEN 'ribs' END::bbq.cut WHERE id IN (2, 3)",
        ["bbq.stock cut: changed id=2 id=3"],
      ],
      [
        "another scale of an equal number",
        "UPDATE bbq.stock SET price = price * 1.00 WHERE id = 8",
        ["bbq.stock price: changed id=8"],
      ],
      [
        "a key lost by rebuilding JSON",
        "UPDATE bbq.stock SET note = json_build_object('n', id) WHERE id = 1000",
        ["bbq.stock note: changed id=1000"],
      ],
      [
        "a boolean, a date and a moment",
        `UPDATE bbq.stock SET sold = NOT sold, added = added + 1, seen = seen + interval '1 us'
          WHERE id = 17`,
        ["added", "seen", "sold"].map((column) => `bbq.stock ${column}: changed id=17`),
      ],
      [
        "no more than five of many keys",
        "UPDATE bbq.stock SET sold = NULL",
        ["bbq.stock sold: changed id=251 id=264 id=276 id=496 id=599"],
      ],
      [
        "rows that are gone, rows that came, and a change beside them",
        `DELETE FROM bbq.stock WHERE id = 7; INSERT INTO bbq.stock (id, name) VALUES (2000, 'new');
         UPDATE bbq.stock SET name = 'x' WHERE id = 70`,
        [
          "bbq.stock (rows): onlyInControl id=7: onlyInCandidate id=2000",
          "bbq.stock name: changed id=70: onlyInControl id=7: onlyInCandidate id=2000",
        ],
      ],
      [
        "a row that is there twice once the key is gone",
        `ALTER TABLE bbq.stock DROP CONSTRAINT stock_pkey;
         INSERT INTO bbq.stock SELECT * FROM bbq.stock WHERE id = 7`,
        ["bbq.stock (rows): onlyInCandidate id=7"],
      ],
      ["a column that is gone", "ALTER TABLE bbq.stock DROP sold", ["bbq.stock sold"]],
      ["a table that is gone", "DROP TABLE bbq.stock", ["bbq.stock (rows)"]],
      ["nothing in new columns and tables", "ALTER TABLE bbq.stock ADD x int DEFAULT 1", []],
      ["nothing in a wider type", "ALTER TABLE bbq.stock ALTER id TYPE numeric", []],
      [
        "a type whose texts are others",
        "ALTER TABLE bbq.stock ALTER added TYPE timestamp",
        ["bbq.stock added: changed id=251 id=264 id=276 id=496 id=599"],
      ],
    ];
    for (const [what, sql, lines] of changes) {
      it(`show ${what}`, async () => {
        await candidate.query(sql);
        assert.deepEqual(found((await compare()).differences), lines);
      });
    }

    it("tell what was expected and what was got, and no value", async () => {
      await candidate.query("UPDATE bbq.stock SET name = 'secret' WHERE id = 1");
      const [difference] = (await compare()).differences;
      assert.deepEqual(
        { ...difference, expected: undefined, got: undefined },
        {
          table: "bbq.stock",
          column: "name",
          expected: undefined,
          got: undefined,
          changed: ["id=1"],
          onlyInControl: [],
          onlyInCandidate: [],
        },
      );
      assert.match(difference?.expected ?? "", /^1000 values, data fingerprint [0-9a-f]{16}$/);
      assert.match(difference?.got ?? "", /^1000 values, data fingerprint [0-9a-f]{16}$/);
      assert.notEqual(difference?.expected, difference?.got);
    });

    it("may differ where it is declared, and nowhere else in the same table", async () => {
      await candidate.query(
        "UPDATE bbq.stock SET price = 1 WHERE price IS NULL; UPDATE bbq.stock SET sold = true",
      );
      const declared = declaration(
        "tables: {bbq.stock: {changed: {price: 'price IS NULL -- unknown', sold: true}}}",
      );
      const comparison = await compare([declared]);
      assert.deepEqual(found(comparison.differences), []);
      assert.deepEqual(comparison.notCompared, [
        "bbq.stock, column sold: declared as changed in every row",
      ]);
      await candidate.query(
        "UPDATE bbq.stock SET price = 2 WHERE id = 6; UPDATE bbq.stock SET name = 'x' WHERE id = 9",
      );
      assert.deepEqual(found((await compare([declared])).differences), [
        "bbq.stock name: changed id=9",
        "bbq.stock price: changed id=6",
      ]);
    });

    it("may lack rows and have others where that is declared", async () => {
      await candidate.query(
        "DELETE FROM bbq.stock WHERE id > 990; INSERT INTO bbq.stock (id, name) VALUES (-1, 'x')",
      );
      const declared = declaration(
        "tables: {bbq.stock: {removed: id > 990, added: id < 0, changed: {sold: id = 1}}}",
      );
      assert.deepEqual(found((await compare([declared])).differences), []);
      await candidate.query("DELETE FROM bbq.stock WHERE id = 990");
      assert.deepEqual(found((await compare([declared])).differences), [
        "bbq.stock (rows): onlyInControl id=990",
      ]);
    });

    it("follow declared renames, which may still be ahead, and declared losses", async () => {
      const declared = [
        declaration(
          `{renamed: {bbq.stock: bbq."Items"}, tables: {bbq.stock: {renamed: {name: title}, dropped: [sold]}}}`,
        ),
        declaration(`tables: {bbq."Items": {renamed: {title: label}}}`),
      ];
      assert.deepEqual(found((await compare(declared.slice(0, 1))).differences), []);
      await candidate.query(
        `ALTER TABLE bbq.stock RENAME TO "Items"; ALTER TABLE bbq."Items" RENAME name TO label;
         ALTER TABLE bbq."Items" DROP sold; UPDATE bbq."Items" SET label = '' WHERE id = 3`,
      );
      const comparison = await compare(declared);
      assert.deepEqual(found(comparison.differences), ["bbq.stock name: changed id=3"]);
      assert.deepEqual(comparison.notCompared, ["bbq.stock, column sold: declared as dropped"]);
    });

    it("refuse a declaration of what does not exist", async () => {
      const message = (text: string) => failureOf(() => compare([declaration(text)]));
      assert.equal(
        await message("tables: {stock: {}}"),
        [
          "UserError: integrity.yaml declares changes of tables that do not exist: stock.",
          "There are: bbq.stock.",
          "Next: correct the names in the integrity.yaml of the migrations that are pending",
        ].join("\n  "),
      );
      assert.equal(
        await message("tables: {bbq.stock: {changed: {Name: true}}}"),
        [
          "UserError: integrity.yaml declares changes of columns that bbq.stock does not have: Name.",
          "It has: added, cut, days, id, name, note, price, seen, sold, took, weight.",
          "Next: correct the names in the integrity.yaml of the migrations that are pending",
        ].join("\n  "),
      );
    });
  });

  it("lose the state of 'Boston , GA' and are caught", async () => {
    const sql = `CREATE TABLE warehouses (id bigint PRIMARY KEY, location text NOT NULL);
      INSERT INTO warehouses VALUES (1, 'Boston, MA'), (2, 'Boston , GA'), (3, 'Austin')`;
    await control.query(sql);
    await candidate.query(
      `${sql}; ALTER TABLE warehouses ADD city text, ADD state text;
       UPDATE warehouses SET (city, state) = (split_part(location, ', ', 1), split_part(location, ', ', 2));
       UPDATE warehouses SET location = concat_ws(', ', trim(city), CASE WHEN city NOT LIKE '% ' THEN nullif(state, '') END)`,
    );
    assert.deepEqual(found((await compare()).differences), [
      "public.warehouses location: changed id=2",
    ]);
  });
});
