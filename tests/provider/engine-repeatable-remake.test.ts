import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { useRepeatables } from "../repeatableScene";

describe("repeatable files", () => {
  const { database, folder, apply, applied, refusal, status, view } = useRepeatables();

  describe("whose view loses a column", () => {
    let reader = "";
    let owner = "";
    beforeEach(async () => {
      reader = `reader_${database.name}`;
      owner = `owner_${database.name}`;
      await database.query(
        `CREATE ROLE ${reader}; CREATE ROLE ${owner}; GRANT ALL ON SCHEMA public TO ${owner}`,
      );
      view("low", "SELECT id, label, quantity FROM public.stock");
      view("lowest", "SELECT id FROM public.low WHERE quantity = 0");
      folder.write(
        "repeatable/touch.sql",
        `CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER touch INSTEAD OF INSERT ON public.low FOR EACH ROW EXECUTE FUNCTION public.touch();`,
      );
      await apply();
      await database.query(
        `GRANT SELECT (id, label) ON low TO ${reader}; GRANT SELECT ON lowest TO ${reader} WITH GRANT OPTION;
         COMMENT ON VIEW low IS 'it''s low'; COMMENT ON COLUMN low.id IS 'key'; COMMENT ON COLUMN low.label IS 'gone';
         ALTER VIEW lowest OWNER TO ${owner}; GRANT SELECT ON low TO ${owner}`,
      );
    });
    afterEach(async () => {
      await database.query(
        `DROP OWNED BY ${reader}, ${owner} CASCADE; DROP ROLE ${reader}, ${owner}`,
      );
    });

    it("make it again with all that depends on it, and keep rights, owners and comments", async () => {
      await database.query(`ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO ${reader}`);
      view("low", "SELECT id, quantity FROM public.stock");
      assert.deepEqual(await applied(), [
        "repeatable/low.sql",
        "repeatable/lowest.sql",
        "repeatable/touch.sql",
      ]);
      assert.deepEqual(
        await database.query(
          `SELECT table_name AS v, column_name AS c, grantee = '${reader}' AS r, is_grantable AS g
             FROM information_schema.column_privileges
            WHERE grantee IN ('${reader}', '${owner}') AND grantor <> grantee AND privilege_type <> 'X'
              AND table_name IN ('low', 'lowest') ORDER BY 1, 2, 3`,
        ),
        [
          { v: "low", c: "id", r: false, g: "NO" },
          { v: "low", c: "id", r: true, g: "NO" },
          { v: "low", c: "quantity", r: false, g: "NO" },
          { v: "lowest", c: "id", r: true, g: "YES" },
        ],
      );
      assert.deepEqual(
        await database.query(
          `SELECT obj_description('low'::regclass) AS view, col_description('low'::regclass, 1) AS id,
                  col_description('low'::regclass, 2) AS quantity,
                  pg_get_userbyid((SELECT relowner FROM pg_class WHERE relname = 'lowest')) = '${owner}' AS owned,
                  (SELECT count(*)::int FROM pg_trigger WHERE tgrelid = 'low'::regclass) AS triggers`,
        ),
        [{ view: "it's low", id: "key", quantity: null, owned: true, triggers: 1 }],
      );
      await database.query(`ALTER DEFAULT PRIVILEGES REVOKE INSERT ON TABLES FROM ${reader}`);
      assert.deepEqual(await applied(), []);
    });

    it("are refused where something else depends on it, which is named", async () => {
      await database.query("CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM lowest");
      view("low", "SELECT id, quantity FROM public.stock");
      assert.equal(
        await refusal(),
        [
          "UserError: repeatable/low.sql cannot be applied: view public.low would have to be dropped and made again, and something else depends on it.",
          "migrations/repeatable/low.sql:1:1 (statement 1 of 1)",
          "1 | CREATE OR REPLACE VIEW public.low AS",
          "  | ^",
          "PostgreSQL does not replace it: cannot drop columns from view",
          "materialized view kept depends on it",
          "Nothing of it was kept: its transaction was rolled back.",
          "Next: change it so that it can be replaced (columns of a view added at the end), or drop in a migration what depends on it",
        ].join("\n  "),
      );
      assert.deepEqual(await database.query("SELECT label FROM low WHERE id = 1"), [
        { label: "ribs" },
      ]);
    });
  });

  it("whose function returns another type make it again with the views that call it", async () => {
    folder.write(
      "repeatable/price.sql",
      "CREATE OR REPLACE FUNCTION public.price(id int) RETURNS int LANGUAGE sql IMMUTABLE RETURN 1;",
    );
    view("prices", "SELECT id, public.price(id) AS price FROM public.stock");
    await apply();
    folder.write(
      "repeatable/price.sql",
      "CREATE OR REPLACE FUNCTION public.price(key int) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN 1.5;",
    );
    assert.deepEqual(await applied(), ["repeatable/price.sql", "repeatable/prices.sql"]);
    assert.deepEqual(await database.query("SELECT price FROM prices WHERE id = 1"), [
      { price: "1.5" },
    ]);
  });

  const foreign: [made: string, shown: string][] = [
    [
      "ALTER TABLE public.stock ALTER COLUMN quantity SET DEFAULT public.price(1)",
      "default value for column quantity of table stock",
    ],
    [
      "ALTER VIEW public.prices ALTER COLUMN id SET DEFAULT 1",
      "default value for column id of view prices",
    ],
    ["CREATE RULE r AS ON INSERT TO public.prices DO INSTEAD NOTHING", "rule r on view prices"],
    [
      "CREATE FUNCTION of_row(public.prices) RETURNS int LANGUAGE sql RETURN 1",
      "function of_row(prices)",
    ],
    ["CREATE INDEX i ON public.stock (public.price(id))", "index i"],
  ];
  for (const [made, shown] of foreign) {
    it(`drop nothing that no file makes again: ${made}`, async () => {
      folder.write(
        "repeatable/price.sql",
        "CREATE OR REPLACE FUNCTION public.price(id int) RETURNS int LANGUAGE sql IMMUTABLE RETURN 1;",
      );
      view("prices", "SELECT id, public.price(id) AS price FROM public.stock");
      await apply();
      await database.query(made);
      folder.write(
        "repeatable/price.sql",
        "CREATE OR REPLACE FUNCTION public.price(id int) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN 1.5;",
      );
      const message = await refusal();
      assert.match(
        message,
        /^UserError: repeatable\/price\.sql cannot be applied: function public\.price would/,
      );
      assert.ok(message.split("\n  ").includes(`${shown} depends on it`), message);
    });
  }

  it("make a view again that a migration has dropped to change its table", async () => {
    view("low", "SELECT id, label FROM public.stock");
    await apply();
    folder.write(
      "0002-label.sql",
      "-- atomic: true\nDROP VIEW public.low;\nALTER TABLE public.stock ALTER COLUMN label TYPE varchar(20);",
    );
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
    assert.deepEqual(await status(), [
      "0001-stock          plain       done",
      "0002-label          plain       done",
      "repeatable/low.sql  repeatable  applied",
      "2 migrations, 0 pending; 1 repeatable file, 0 to apply; journal at epoch 2",
    ]);
  });

  it("are named, with an order that works, to a migration that they stand against", async () => {
    view("low", "SELECT id, label FROM public.stock");
    await apply();
    folder.write("0002-label.sql", "-- atomic: true\nALTER TABLE public.stock DROP COLUMN label;");
    assert.equal(
      await refusal(),
      [
        "UserError: Migration 0002-label failed: cannot drop column label of table stock because other objects depend on it (2BP01).",
        "migrations/0002-label.sql:2:1 (statement 1 of 1)",
        "2 | ALTER TABLE public.stock DROP COLUMN label;",
        "  | ^",
        "detail: view low depends on column label of table stock",
        "hint: Use DROP ... CASCADE to drop the dependent objects too.",
        "view public.low is made by repeatable/low.sql: apply that file without it first, or write DROP VIEW public.low before this statement, and the same run makes it again.",
        "Nothing of this file was kept: its transaction was rolled back.",
        "Next: correct migrations/0002-label.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    folder.write(
      "0002-label.sql",
      "-- atomic: true\nDROP VIEW public.low;\nALTER TABLE public.stock DROP COLUMN label;",
    );
    view("low", "SELECT id FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });

  it("wait outside of the queue while somebody reads the view, and go on when he ends", async () => {
    view("low", "SELECT id FROM public.stock");
    await apply();
    view("low", "SELECT id, label FROM public.stock");
    const reader = await database.connect();
    await reader.query("BEGIN; SELECT * FROM low");
    await sleep(250);
    const told: string[] = [];
    const running = apply({ onProgress: ({ message }) => told.push(message) });
    while (!told.some((line) => line.startsWith("not asking for public.low yet"))) await sleep(20);
    const started = Date.now();
    assert.deepEqual(await database.query("SELECT id FROM low WHERE id = 1"), [{ id: 1 }]);
    assert.ok(Date.now() - started < 1000, "another reader has had to queue");
    await reader.query("COMMIT");
    await running;
    assert.deepEqual(await database.query("SELECT label FROM low WHERE id = 1"), [
      { label: "ribs" },
    ]);
  });

  it("give up at the deadline, naming who is in the way, and leave the view as it was", async () => {
    view("low", "SELECT id FROM public.stock");
    await apply();
    view("low", "SELECT id, label FROM public.stock");
    const reader = await database.connect({ application_name: "report" });
    await reader.query("BEGIN; SELECT * FROM low");
    await sleep(250);
    const message = await refusal({ tableLockDeadlineSeconds: 0.5 });
    assert.match(
      message,
      /^UserError: repeatable\/low\.sql stopped: others hold public\.low\.\n {2}migrations\/repeatable\/low\.sql:1:1\n {2}1 \| CREATE OR REPLACE VIEW public\.low AS\n {2} {2}\| \^\n {2}blocked by pid \d+.*report[^]*\n {2}Nothing of it was kept: its transaction was rolled back\./,
    );
    await reader.query("COMMIT");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });
});
