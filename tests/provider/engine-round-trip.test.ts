import { strict as assert } from "node:assert";
import { useEngine } from "../engineScene";

describe("the expressions of a sync.yaml, before a trigger uses them,", () => {
  const { database, folder, apply, refusal } = useEngine();

  interface Scene {
    readonly table: string;
    readonly expand: string;
    readonly old: string;
    readonly new: string;
    readonly forward: Readonly<Record<string, string>>;
    readonly reverse: Readonly<Record<string, string>>;
  }
  const base: Scene = {
    table: "CREATE TABLE things (id int PRIMARY KEY, code text NOT NULL, qty int)",
    expand: "ALTER TABLE things ADD number int",
    old: "code",
    new: "number",
    forward: { number: "CASE WHEN code ~ '^[1-9][0-9]{0,8}$' THEN code::int END" },
    reverse: { code: "number::text" },
  };
  const listed = (expressions: Readonly<Record<string, string>>): string[] =>
    Object.entries(expressions).map(([name, text]) => `  ${name}: ${JSON.stringify(text)}`);
  const write = (scene: Scene): void => {
    folder.write("0001-things.sql", scene.table);
    folder.write("0002-change/expand.sql", scene.expand);
    folder.write(
      "0002-change/sync.yaml",
      [
        `table: things\nold: [${scene.old}]\nnew: [${scene.new}]`,
        ...["forward:", ...listed(scene.forward), "reverse:", ...listed(scene.reverse)],
        "rejects: allow-null\n",
      ].join("\n"),
    );
  };
  /** What is said of the values, without the places. */
  const problems = async (change: Partial<Scene>): Promise<string[]> => {
    write({ ...base, ...change });
    const lines = (await refusal()).split("\n  ");
    assert.equal(
      lines[0],
      "UserError: migrations/0002-change/sync.yaml does not keep what is written; no trigger was added.",
    );
    return lines.slice(1, -1).filter((line) => /^(forward|reverse)/.test(line));
  };

  it("pass when they keep what they read, whatever else there is", async () => {
    write({ ...base, table: `${base.table}; INSERT INTO things VALUES (1, '12'), (2, 'x')` });
    await apply();
    assert.deepEqual(
      await database.query("SELECT proname FROM pg_proc WHERE proname LIKE 'sync_trial%'"),
      [],
    );
  });

  const sound: [name: string, change: Partial<Scene>][] = [
    [
      "a list of known values",
      {
        forward: { number: "CASE code WHEN 'open' THEN 1 WHEN 'closed' THEN 2 END" },
        reverse: { code: "CASE number WHEN 1 THEN 'open' WHEN 2 THEN 'closed' END" },
      },
    ],
    [
      "two parts of a text, of which a CHECK demands the first",
      {
        expand: "ALTER TABLE things ADD a text, ADD b text, ADD CHECK (a IS NOT NULL OR b IS NULL)",
        new: "a, b",
        forward: {
          a: "nullif(split_part(code, '/', 1), '')",
          b: "CASE WHEN split_part(code, '/', 1) <> '' THEN nullif(split_part(code, '/', 2), '') END",
        },
        reverse: { code: "a || coalesce('/' || b, '')" },
      },
    ],
    [
      "two columns that become one, either of which may be NULL",
      {
        table: "CREATE TABLE things (id int PRIMARY KEY, code text, qty int)",
        expand: "ALTER TABLE things ADD both_of text[]",
        old: "code, qty",
        new: "both_of",
        forward: { both_of: "ARRAY[code, qty::text]" },
        reverse: { code: "both_of[1]", qty: "both_of[2]::int" },
      },
    ],
    [
      "a date of a text by a function of one's own",
      {
        expand: `ALTER TABLE things ADD day date;
          CREATE FUNCTION day_of(text) RETURNS date LANGUAGE plpgsql IMMUTABLE AS $$
          BEGIN
            RETURN CASE WHEN $1 ~ '^\\d{4}-\\d\\d-\\d\\d$' THEN $1::date END;
          EXCEPTION WHEN datetime_field_overflow THEN RETURN NULL;
          END $$`,
        new: "day",
        forward: { day: "public.day_of(code)" },
        reverse: { code: "to_char(day, 'YYYY-MM-DD')" },
      },
    ],
  ];
  for (const [name, change] of sound) {
    it(`pass for ${name}`, async () => {
      write({ ...base, ...change });
      await apply();
    });
  }

  it("are refused with the place, the value, what came back, and what to do", async () => {
    write({
      ...base,
      table: `${base.table}; INSERT INTO things VALUES (1, '0012')`,
      forward: { number: "CASE WHEN code ~ '^[0-9]{1,9}$' THEN code::int END" },
      reverse: { code: "(number + 1)::text" },
    });
    assert.equal(
      await refusal(),
      [
        "UserError: migrations/0002-change/sync.yaml does not keep what is written; no trigger was added.",
        'forward(reverse(x)) is not x for {"number" : 12} (a row of the table): written back as {"code" : "13"}, it comes back as {"number" : 13}.',
        "migrations/0002-change/sync.yaml:7:9",
        '7 |   code: "(number + 1)::text"',
        "  |         ^",
        "The new release could not write such a row, and the contract would wait for ever.",
        "Next: correct the expressions or these rows, then run the same command again; to change expand.sql, npm run migrations -- abort 0002-change before you do",
      ].join("\n  "),
    );
    assert.deepEqual(await database.query("SELECT state FROM stateful_cd.migrations ORDER BY id"), [
      { state: "done" },
      { state: "expanded" },
    ]);
    assert.deepEqual(
      await database.query(
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 'things'::regclass",
      ),
      [],
    );
  });

  it("are refused where forward fails for a value that the old release may write", async () => {
    assert.deepEqual(await problems({ forward: { number: "code::int" } }), [
      'forward.number fails for {"code" : "a"} (made up): invalid input syntax for type integer: "a".',
    ]);
  });

  it("are tried on a column that is called like a word of the trial, too", async () => {
    for (const name of ["source", "kind"]) {
      assert.deepEqual(
        await problems({
          table: `CREATE TABLE things (id int PRIMARY KEY, ${name} text)`,
          old: name,
          forward: { number: `${name}::int` },
          reverse: { [name]: "number::text" },
        }),
        [
          `forward.number fails for {"${name}" : "a"} (made up): invalid input syntax for type integer: "a".`,
        ],
      );
      await database.query("DROP SCHEMA stateful_cd CASCADE; DROP TABLE things");
    }
  });

  it("pass where a CHECK of the table rules that value out", async () => {
    write({
      ...base,
      table:
        "CREATE TABLE things (id int PRIMARY KEY, code text NOT NULL CHECK (code ~ '^[1-9]\\d{0,8}$'))",
      forward: { number: "code::int" },
    });
    await apply();
  });

  it("are refused where reverse is NULL for a part of the new columns", async () => {
    assert.deepEqual(
      await problems({
        expand: "ALTER TABLE things ADD a text, ADD b text",
        new: "a, b",
        forward: { a: "split_part(code, '/', 1)", b: "split_part(code, '/', 2)" },
        reverse: { code: "a || '/' || b" },
      }),
      ['reverse.code is NULL for {"a" : null, "b" : ""} (made up).'],
    );
  });

  it("are refused where an awkward value changes with every turn", async () => {
    assert.deepEqual(
      await problems({
        expand: "ALTER TABLE things ADD a text",
        new: "a",
        forward: { a: "code" },
        reverse: { code: "CASE WHEN a LIKE ' %' THEN ' ' || a ELSE a END" },
      }),
      [
        'forward(reverse(x)) changes each time, last for {"a" : "  "} (made up): written back as {"code" : "   "}, it comes back as {"a" : "   "}.',
      ],
    );
  });

  it("are refused for a row that is there and would not come back", async () => {
    assert.deepEqual(
      await problems({
        table: `${base.table}; INSERT INTO things SELECT i, 'k' || i FROM generate_series(1, 2000) i; INSERT INTO things VALUES (9999, '  x')`,
        expand: "ALTER TABLE things ADD a text",
        new: "a",
        forward: { a: "code" },
        reverse: { code: "ltrim(a)" },
      }),
      [
        'forward(reverse(x)) is not x for {"a" : "  x"} (a row of the table): written back as {"code" : "x"}, it comes back as {"a" : "x"}.',
      ],
    );
  });
});
