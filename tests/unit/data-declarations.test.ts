import { strict as assert } from "node:assert";
import { readDeclarations } from "../../components/dynamic/integrityDeclarations";
import { failureOf, useFolder } from "../migrationFolder";

describe("integrity.yaml", () => {
  const folder = useFolder();
  const write = (text: string) => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0001-a/integrity.yaml", text);
  };
  const read = () => readDeclarations(folder.path, "0001-a");

  it("declares renames, changes and losses, table by table", () => {
    write(`# contract archives the column
tables:
  warehouses:
    renamed: { location: _dropped_location }
    changed: { contact_phone: true, contact_name: "contact_name IS NULL" }
    dropped: [fax]
    removed: id < 0
    added: id > 1000
renamed: { menu: bbq.menu }
dropped: [old]
`);
    const { declared } = read();
    assert.deepEqual(declared, [
      {
        migration: "0001-a",
        changes: {
          tables: {
            warehouses: {
              renamed: { location: "_dropped_location" },
              changed: { contact_phone: true, contact_name: "contact_name IS NULL" },
              dropped: ["fax"],
              removed: "id < 0",
              added: "id > 1000",
            },
          },
          renamed: { menu: "bbq.menu" },
          dropped: ["old"],
        },
      },
    ]);
  });

  it("may be absent, and is read up to the release's last migration only", () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0002-b.sql", "SELECT 1");
    folder.write("0003-c/expand.sql", "SELECT 1");
    folder.write("0003-c/integrity.yaml", "not: known");
    const { declared, migrations } = readDeclarations(folder.path, "0002-b");
    assert.deepEqual(declared, []);
    assert.deepEqual(
      migrations.map(({ id }) => id),
      ["0001-a", "0002-b"],
    );
  });

  it("has a digest that tells a changed declaration, and leaves the migration's own alone", () => {
    write("dropped: [a]");
    const first = read();
    write("dropped: [b]");
    const second = read();
    write("dropped: [a]\r\n");
    const third = read();
    assert.notEqual(first.digest, second.digest);
    assert.notEqual(second.digest, third.digest);
    assert.equal(first.migrations[0]?.digest, second.migrations[0]?.digest);
  });

  const heading =
    "UserError: What the migrations in migrations declare of data has mistakes; nothing was checked.";
  const next = "Next: correct the files named above";
  const mistakes: [text: string, ...lines: string[]][] = [
    [
      "tables:\n  menu:\n    chagned: {}\n",
      "tables.menu.chagned: is not known here",
      "  migrations/0001-a/integrity.yaml:3:5",
      "  3 |     chagned: {}",
      "    |     ^",
    ],
    [
      "tables: {menu: {changed: {item: false}}}",
      "tables.menu.changed.item: Invalid input",
      "  migrations/0001-a/integrity.yaml:1:33",
      "  1 | tables: {menu: {changed: {item: false}}}",
      "    |                                 ^",
    ],
    [
      "",
      "Invalid input: expected object, received null",
      "  migrations/0001-a/integrity.yaml:1:1",
      "  1 | ",
      "    | ^",
    ],
    [
      "dropped: *columns",
      "Unresolved alias (the anchor must be set before the alias): columns",
      "  migrations/0001-a/integrity.yaml:1:10",
      "  1 | dropped: *columns",
      "    |          ^",
    ],
    [
      "dropped: [a\nb: 1",
      "Flow sequence in block collection must be sufficiently indented and end with a ]",
      "  migrations/0001-a/integrity.yaml:2:1",
      "  2 | b: 1",
      "    | ^",
    ],
  ];
  for (const [text, ...lines] of mistakes) {
    it(`shows where ${JSON.stringify(text)} is wrong`, async () => {
      write(text);
      assert.equal(await failureOf(read, folder), [heading, ...lines, next].join("\n  "));
    });
  }
});
