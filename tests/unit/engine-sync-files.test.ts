import { strict as assert } from "node:assert";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { failureOf, mistakeOf, useFolder } from "../migrationFolder";

describe("the sync.yaml files of a migrations folder", () => {
  const folder = useFolder();
  const load = () => loadMigrations(folder.path);
  const refusal = () => failureOf(load, folder);
  const mistake = () => mistakeOf(load, folder);

  it("shows every mistake of sync.yaml at its place", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write(
      "0001-a/sync.yaml",
      'table: warehouses\nold: [location]\nnew: [city]\nforward: { town: "x" }\nreverse: { location: "city" }\nrejects: ignore\n',
    );
    const message = await refusal();
    for (const part of [
      "sync.yaml:6:10\n",
      'rejects: Invalid option: expected one of "block"|"allow-null"',
    ]) {
      assert.equal(message.includes(part), true, message);
    }
    folder.write(
      "0001-a/sync.yaml",
      'table: warehouses\nold: [location]\nnew: [city]\nforward: { town: "x" }\nreverse: { location: "city" }\n',
    );
    assert.equal(
      await refusal(),
      [
        "UserError: The migrations in migrations have 2 mistakes; nothing was run.",
        "forward: has no expression for city",
        "  migrations/0001-a/sync.yaml:4:10",
        '  4 | forward: { town: "x" }',
        "    |          ^",
        "forward.town: is not a column listed",
        "  migrations/0001-a/sync.yaml:4:18",
        '  4 | forward: { town: "x" }',
        "    |                  ^",
        "Next: correct the files named above",
      ].join("\n  "),
    );
  });

  for (const [what, text] of [
    ["nothing", ""],
    ["comments only", "# later\n"],
    ["nothing but the beginning of a document", "---\n"],
  ] as const) {
    it(`says what belongs into a sync.yaml of ${what}`, async () => {
      folder.write("0001-a/expand.sql", "SELECT 1");
      folder.write("0001-a/sync.yaml", text);
      assert.deepEqual(await mistake(), [
        "is empty: write table, old, new, forward and reverse, or a kind with its keys",
        "  migrations/0001-a/sync.yaml",
      ]);
    });
  }

  it("shows a mistake in a sync.yaml of kind lookup", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write(
      "0001-a/sync.yaml",
      "kind: lookup\ntable: a.b.c\nname: x\nid: y\nreferences: { table: w, id: z, name: n }\n",
    );
    assert.deepEqual(await mistake(), [
      "table: must be table or schema.table",
      "  migrations/0001-a/sync.yaml:2:8",
      "  2 | table: a.b.c",
      "    |        ^",
    ]);
  });

  it("shows a mistake in the SQL of a sync.yaml", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write(
      "0001-a/sync.yaml",
      'table: w\nold: [a]\nnew: [b]\nforward: { b: "lower(a" }\nreverse: { a: b }\n',
    );
    assert.deepEqual(await mistake(), [
      "forward.b: syntax error at end of input.",
      "  migrations/0001-a/sync.yaml:4:15",
      '  4 | forward: { b: "lower(a" }',
      "    |               ^",
    ]);
  });

  it("refuses an expression that would end the parentheses around it", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    for (const [expression, problem] of [
      ["a), (b", 'syntax error at or near ")"'],
      ["a); DROP TABLE w; --", 'syntax error at or near ")"'],
      ["a FROM w", 'syntax error at or near "FROM"'],
      ["a /* ", 'unterminated /* comment at or near "/* "'],
    ] as const) {
      folder.write(
        "0001-a/sync.yaml",
        `table: w\nold: [a]\nnew: [b]\nforward: { b: "${expression}" }\nreverse: { a: b }\n`,
      );
      assert.equal((await mistake())[0], `forward.b: ${problem}.`);
    }
  });

  it("shows a mistake in what an index of sync.yaml is of", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write(
      "0001-a/sync.yaml",
      "kind: rename\ntable: w\nold: a\nnew: b\nindexes: { i: [b DESC, lower(b] }\n",
    );
    assert.deepEqual(await mistake(), [
      "indexes.i.1: syntax error at end of input.",
      "  migrations/0001-a/sync.yaml:5:24",
      "  5 | indexes: { i: [b DESC, lower(b] }",
      "    |                        ^",
    ]);
  });

  it("refuses an index of sync.yaml that says more than what it is of", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    for (const element of ["b) WHERE (b > ''", "b, c", "b) INCLUDE (c", "b); DROP TABLE (w"]) {
      const elements = JSON.stringify([element]);
      folder.write(
        "0001-a/sync.yaml",
        `kind: rename\ntable: w\nold: a\nnew: b\nindexes: { i: ${elements} }\n`,
      );
      const isSyntax = element.includes("DROP");
      const problem = isSyntax
        ? 'syntax error at or near "("'
        : "is more than one column or expression";
      assert.equal((await mistake())[0], `indexes.i.0: ${problem}.`);
    }
  });

  it("refuses a column of sync.yaml that is old and new at once, or listed twice", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    const both = "forward: { a: a }\nreverse: { a: a }\n";
    for (const [text, problem, place] of [
      [`table: w\nold: [a]\nnew: [a]\n${both}`, "new.0: a is listed already", "3:7"],
      [`table: w\nold: [a, a]\nnew: [b]\n${both}`, "old.1: a is listed already", "2:10"],
      ["kind: rename\ntable: w\nold: a\nnew: a\n", "new: is the old column too", "4:6"],
      ["kind: type\ntable: w\nold: a\nnew: a\ntype: int\n", "new: is the old column too", "4:6"],
      [
        "kind: lookup\ntable: w\nname: a\nid: a\nreferences: { table: r, id: id, name: n }\n",
        "id: is the name's column too",
        "4:5",
      ],
    ] as const) {
      folder.write("0001-a/sync.yaml", text);
      const message = await refusal();
      const expected = `${problem}\n    migrations/0001-a/sync.yaml:${place}\n`;
      assert.equal(message.includes(expected), true, message);
    }
  });
});
