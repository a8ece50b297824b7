import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { repeatableLinesOf } from "../../components/dynamic/migrationPreview";
import { abortMigration } from "../../engine/abort";
import { applyMigrations, type ApplyResult } from "../../engine/apply";
import { contractMigrations } from "../../engine/contract";
import { readMigrations } from "../../engine/files/migrationFolder";
import { readRepeatables } from "../../engine/files/repeatableFolder";
import { findDrift } from "../../engine/journal/recordedSchema";
import type { OneMigrationOptions } from "../../engine/oneMigration";
import { planMigrations } from "../../engine/plan";
import { inspectRepeatables } from "../../engine/repeatable/inspect";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { statusLines } from "../../engine/cli/output";
import { failureOf, useFolder } from "../migrationFolder";
import { createDatabase, useDatabase } from "../postgres";

describe("repeatable files", () => {
  const database = useDatabase();
  const folder = useFolder();

  beforeEach(() => {
    folder.write(
      "0001-stock.sql",
      "CREATE TABLE public.stock (id int PRIMARY KEY, label text NOT NULL, quantity int NOT NULL);\nINSERT INTO stock VALUES (1, 'ribs', 3), (2, 'rubs', 0);",
    );
  });

  const apply = async (
    through?: string,
    tell: (message: string) => void = () => undefined,
  ): Promise<ApplyResult> =>
    applyMigrations({
      onProgress: ({ message }) => {
        tell(message);
      },
      connect: database.connect,
      migrations: await readMigrations(folder.path),
      repeatables: await readRepeatables(folder.path),
      ...(through === undefined ? {} : { through }),
    });
  const applied = async (): Promise<string[]> =>
    (await apply()).repeatables.filter((one) => one.applied).map(({ path }) => path);
  const status = async (): Promise<string[]> =>
    statusLines(
      await planMigrations(
        await database.connect(),
        await readMigrations(folder.path),
        undefined,
        await readRepeatables(folder.path),
      ),
    );
  const failure = (): Promise<string> => failureOf(() => apply(), folder);
  const view = (name: string, query: string): void => {
    folder.write(`repeatable/${name}.sql`, `CREATE OR REPLACE VIEW public.${name} AS\n${query};\n`);
  };
  const rows = async (): Promise<unknown[]> =>
    (
      await database.query(
        "SELECT path, objects, left_over FROM stateful_cd.repeatables ORDER BY id",
      )
    ).map(({ path, objects, left_over }) => [
      path,
      (objects as { object: string }[]).map(({ object }) => object),
      (left_over as { object: string }[]).map(({ object }) => object),
    ]);

  it("are applied after the migrations, and not again", async () => {
    view("low", "SELECT id, label FROM public.stock WHERE quantity < 1");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
    assert.deepEqual(await database.query("SELECT * FROM low"), [{ id: 2, label: "rubs" }]);
    const [epoch] = await database.query("SELECT epoch FROM stateful_cd.journal");
    assert.deepEqual(await applied(), []);
    assert.deepEqual(await database.query("SELECT epoch FROM stateful_cd.journal"), [epoch]);
    assert.deepEqual(await rows(), [["repeatable/low.sql", ["view public.low"], []]]);
    assert.deepEqual(await status(), [
      "0001-stock          plain       done",
      "repeatable/low.sql  repeatable  applied",
      "1 migration, 0 pending; 1 repeatable file, 0 to apply; journal at epoch 1",
    ]);
  });

  it("are applied again when their text changes, each in the order of what it names", async () => {
    view("a_totals", "SELECT sum(quantity) AS total FROM public.z_low");
    view("z_low", "SELECT id, quantity FROM public.stock WHERE quantity < public.limit_of()");
    folder.write(
      "repeatable/m.sql",
      "CREATE OR REPLACE FUNCTION public.limit_of() RETURNS int LANGUAGE sql STABLE AS $$ SELECT 1 $$;",
    );
    await apply();
    assert.deepEqual(
      (await rows()).map((row) => (row as string[])[0]),
      ["repeatable/m.sql", "repeatable/z_low.sql", "repeatable/a_totals.sql"],
    );
    view("z_low", "SELECT id, quantity FROM public.stock WHERE quantity < 100");
    assert.deepEqual(await applied(), ["repeatable/z_low.sql"]);
    assert.deepEqual(await database.query("SELECT total::int FROM a_totals"), [{ total: 3 }]);
  });

  it("come after what WITH hides only outside of its own query", async () => {
    view("a", "WITH low AS (SELECT * FROM low WHERE quantity < 1) SELECT id FROM low");
    view("low", "SELECT id, quantity FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/a.sql", "repeatable/low.sql"]);
    assert.deepEqual(await database.query("SELECT id FROM a"), [{ id: 2 }]);
  });

  it("wait for the last migration of the folder", async () => {
    view("low", "SELECT id, shelf FROM public.stock");
    folder.write("0002-shelf.sql", "ALTER TABLE public.stock ADD shelf text;");
    assert.deepEqual((await apply("0001-stock")).repeatables, []);
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });

  it("that cannot be run are refused before a migration is", async () => {
    folder.write("repeatable/low.sql", "CREATE VIEW low AS SELECT 1 AS a;");
    assert.equal(
      await failure(),
      [
        "UserError: A repeatable file cannot be run; nothing was run.",
        "CREATE VIEW fails when it is run again.",
        "  migrations/repeatable/low.sql:1:1",
        "  1 | CREATE VIEW low AS SELECT 1 AS a;",
        "    | ^",
        "  fix: write CREATE OR REPLACE VIEW",
        "Next: correct the files named above",
      ].join("\n  "),
    );
    assert.deepEqual(await database.query("SELECT to_regclass('stock') AS t"), [{ t: null }]);
  });

  it("that PostgreSQL refuses are told with their place, and leave nothing", async () => {
    view("low", "SELECT id, nothing FROM public.stock");
    assert.equal(
      await failure(),
      [
        'UserError: repeatable/low.sql failed: column "nothing" does not exist (42703).',
        "migrations/repeatable/low.sql:2:12 (statement 1 of 1)",
        "2 | SELECT id, nothing FROM public.stock;",
        "  |            ^",
        "Nothing of it was kept: its transaction was rolled back.",
        "Next: correct migrations/repeatable/low.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    assert.deepEqual(await rows(), []);
    assert.deepEqual((await status())[1], "repeatable/low.sql  repeatable  pending");
  });

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
        await failure(),
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
      const message = await failure();
      assert.match(
        message,
        /^UserError: repeatable\/price\.sql cannot be applied: function public\.price would/,
      );
      assert.ok(message.split("\n  ").includes(`${shown} depends on it`), message);
    });
  }

  it("are put right by the next run where somebody has changed what they made", async () => {
    view("low", "SELECT id FROM public.stock WHERE quantity < 1");
    folder.write(
      "repeatable/touch.sql",
      `CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
REVOKE EXECUTE ON FUNCTION public.touch() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.touch() TO pg_monitor;
COMMENT ON FUNCTION public.touch() IS 'does nothing';
CREATE OR REPLACE TRIGGER touch BEFORE INSERT ON public.stock FOR EACH ROW EXECUTE FUNCTION public.touch();`,
    );
    await apply();
    await database.query(
      `CREATE OR REPLACE VIEW low AS SELECT id FROM public.stock;
       ALTER TABLE stock DISABLE TRIGGER touch; COMMENT ON FUNCTION touch() IS 'what';
       REVOKE EXECUTE ON FUNCTION touch() FROM pg_monitor`,
    );
    const drift = [
      "0001-stock            plain       done",
      "repeatable/low.sql    repeatable  drifted: view public.low: its definition was changed",
      "repeatable/touch.sql  repeatable  drifted: function public.touch(): the grant of EXECUTE to pg_monitor was changed or removed; function public.touch(): the comment on FUNCTION public.touch(): does nothing was changed or removed; trigger touch on public.stock: its definition was changed",
      "1 migration, 0 pending; 2 repeatable files, 2 to apply; journal at epoch 1",
    ];
    assert.deepEqual(await status(), drift);
    assert.deepEqual(await applied(), ["repeatable/low.sql", "repeatable/touch.sql"]);
    assert.match(
      (await status()).join(),
      /applied,.*applied,1 migration.*2 repeatable files, 0 to apply/,
    );
    assert.deepEqual(
      await database.query(
        "SELECT tgenabled, obj_description('touch'::regproc) AS comment, has_function_privilege('pg_monitor', 'touch()', 'EXECUTE') AS may FROM pg_trigger WHERE tgname = 'touch'",
      ),
      [{ tgenabled: "O", comment: "does nothing", may: true }],
    );
  });

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

  it("are never dropped: what is left over is told until a migration drops it", async () => {
    view("low", "SELECT id FROM public.stock");
    folder.write(
      "repeatable/two.sql",
      "CREATE OR REPLACE FUNCTION one(int) RETURNS int LANGUAGE sql RETURN 1;\nCREATE OR REPLACE FUNCTION two(a text) RETURNS int LANGUAGE sql RETURN 2;",
    );
    await apply();
    folder.remove("repeatable/low.sql");
    folder.write(
      "repeatable/two.sql",
      "CREATE OR REPLACE FUNCTION one(int) RETURNS int LANGUAGE sql RETURN 1;",
    );
    assert.deepEqual(await applied(), ["repeatable/two.sql"]);
    assert.deepEqual((await status()).slice(2), [
      'left over: view public.low of repeatable/low.sql; put "DROP VIEW public.low" into a migration, or restore the file',
      'left over: function public.two(a text) of repeatable/two.sql; put "DROP FUNCTION public.two(a text)" into a migration, or restore the file',
      "1 migration, 0 pending; 1 repeatable file, 0 to apply; journal at epoch 2",
    ]);
    folder.write("0002-drop.sql", "DROP VIEW public.low; DROP FUNCTION public.two(a text);");
    await apply();
    assert.deepEqual(
      (await status()).slice(2),
      [
        "repeatable/two.sql  repeatable  applied",
        "2 migrations, 0 pending; 1 repeatable file, 0 to apply; journal at epoch 3",
      ].slice(0),
    );
    view("low", "SELECT id FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });

  it("that take an object over from another file leave nothing over", async () => {
    view("low", "SELECT id FROM public.stock");
    await apply();
    folder.remove("repeatable/low.sql");
    folder.write(
      "repeatable/lists.sql",
      "CREATE OR REPLACE VIEW low AS SELECT id FROM public.stock;",
    );
    assert.deepEqual(await status(), [
      "0001-stock            plain       done",
      "repeatable/lists.sql  repeatable  pending",
      "1 migration, 0 pending; 1 repeatable file, 1 to apply; journal at epoch 1",
    ]);
    assert.deepEqual(await applied(), ["repeatable/lists.sql"]);
  });

  it("are named, with an order that works, to a migration that they stand against", async () => {
    view("low", "SELECT id, label FROM public.stock");
    await apply();
    folder.write("0002-label.sql", "ALTER TABLE public.stock DROP COLUMN label;");
    assert.equal(
      await failure(),
      [
        "UserError: Migration 0002-label failed: cannot drop column label of table stock because other objects depend on it (2BP01).",
        "migrations/0002-label.sql:1:1 (statement 1 of 1)",
        "1 | ALTER TABLE public.stock DROP COLUMN label;",
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
      "DROP VIEW public.low;\nALTER TABLE public.stock DROP COLUMN label;",
    );
    view("low", "SELECT id FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });

  describe("beside a phased migration", () => {
    beforeEach(() => {
      folder.write("0002-name/expand.sql", "ALTER TABLE public.stock ADD COLUMN name text;");
      folder.write(
        "0002-name/sync.yaml",
        'table: stock\nold: [label]\nnew: [name]\nforward: { name: "label" }\nreverse: { label: "coalesce(name, \'\')" }\n',
      );
    });
    const contract = async (): Promise<readonly string[]> =>
      (
        await contractMigrations({
          connect: database.connect,
          migrations: await readMigrations(folder.path),
          oldRoles: [],
          soakSeconds: 0,
        })
      ).waiting;

    const abort = async (options: Partial<OneMigrationOptions> = {}) =>
      abortMigration({
        connect: database.connect,
        migrations: await readMigrations(folder.path),
        id: "0002-name",
        ...options,
      });
    const state = async (): Promise<unknown> =>
      (await database.query("SELECT state FROM stateful_cd.migrations WHERE id = '0002-name'"))[0]
        ?.state;

    it("hold up its contract while they name an old column, and say how it goes on", async () => {
      view("low", "SELECT id, label FROM public.stock");
      await apply();
      assert.deepEqual(await contract(), [
        "0002-name: label of public.stock is still named by view public.low of repeatable/low.sql; once no old release reads it there, apply repeatable/low.sql without label",
      ]);
      view("low", "SELECT id, name FROM public.stock");
      assert.deepEqual(await applied(), ["repeatable/low.sql"]);
      assert.deepEqual(await contract(), []);
      assert.deepEqual(await applied(), []);
    });

    it("are named where a statement of contract.sql fails for them", async () => {
      folder.write("0002-name/contract.sql", "ALTER TABLE public.stock DROP COLUMN quantity;");
      view("low", "SELECT id, quantity FROM public.stock");
      await apply();
      assert.equal(
        await failureOf(contract, folder),
        [
          "UserError: Migration 0002-name failed: cannot drop column quantity of table stock because other objects depend on it (2BP01).",
          "migrations/0002-name/contract.sql:1:1 (statement 1 of 1)",
          "1 | ALTER TABLE public.stock DROP COLUMN quantity;",
          "  | ^",
          "detail: view low depends on column quantity of table stock",
          "hint: Use DROP ... CASCADE to drop the dependent objects too.",
          "view public.low is made by repeatable/low.sql: apply that file without it first.",
          "Nothing of the contract was kept: its transaction was rolled back.",
          "Next: correct migrations/0002-name/contract.sql, then run the same command again: it goes on where this stopped",
        ].join("\n  "),
      );
      view("low", "SELECT id, name FROM public.stock");
      assert.deepEqual(await applied(), ["repeatable/low.sql"]);
      assert.deepEqual(await contract(), []);
    });

    it("that use its new column are named to abort, which can wait for them", async () => {
      view("low", "SELECT id, name FROM public.stock");
      await apply();
      assert.equal(
        await failureOf(abort),
        [
          "UserError: Migration 0002-name cannot be aborted.",
          "view public.low of repeatable/low.sql uses what it would take back.",
          "Next: apply repeatable/low.sql without that, then npm run migrations -- abort 0002-name",
        ].join("\n  "),
      );
      view("low", "SELECT id, label FROM public.stock");
      assert.deepEqual(await applied(), ["repeatable/low.sql"]);
      await abort();
      assert.equal(await state(), "aborted");
    });

    it("can be applied without its new column after an abort has given up on a lock", async () => {
      await apply();
      const before = await state();
      const reader = await database.connect();
      await reader.query("BEGIN; SELECT * FROM stock");
      await sleep(250);
      assert.match(
        await failureOf(() => abort({ tableLockDeadlineSeconds: 0.5 })),
        /^UserError: Migration 0002-name stopped .*: others hold public\.stock\.$/m,
      );
      await reader.query("COMMIT");
      assert.equal(await state(), before);
      view("low", "SELECT id, name FROM public.stock");
      assert.deepEqual(await applied(), ["repeatable/low.sql"]);
      assert.match(await failureOf(abort), /Next: apply repeatable\/low\.sql without that, then/);
      view("low", "SELECT id, label FROM public.stock");
      assert.deepEqual(await applied(), ["repeatable/low.sql"]);
      await abort();
      assert.equal(await state(), "aborted");
    });

    it("are to be dropped where an abort was killed, for apply waits for its end", async () => {
      view("low", "SELECT id, name FROM public.stock");
      await apply();
      await database.query(
        "UPDATE stateful_cd.migrations SET state = 'aborting' WHERE id = '0002-name'",
      );
      assert.equal(
        await failureOf(abort),
        [
          "UserError: Migration 0002-name cannot be aborted.",
          "view public.low of repeatable/low.sql uses what it would take back.",
          "An earlier abort was interrupted, and apply waits for its end.",
          "Next: DROP VIEW public.low, then npm run migrations -- abort 0002-name; repeatable/low.sql without that makes it again",
        ].join("\n  "),
      );
      await database.query("DROP VIEW public.low");
      await abort();
      assert.equal(await state(), "aborted");
    });
  });

  it("wait outside of the queue while somebody reads the view, and go on when he ends", async () => {
    view("low", "SELECT id FROM public.stock");
    await apply();
    view("low", "SELECT id, label FROM public.stock");
    const reader = await database.connect();
    await reader.query("BEGIN; SELECT * FROM low");
    await sleep(250);
    const told: string[] = [];
    const running = apply(undefined, (message) => told.push(message));
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
    const message = await failureOf(
      async () =>
        applyMigrations({
          connect: database.connect,
          migrations: await readMigrations(folder.path),
          repeatables: await readRepeatables(folder.path),
          tableLockDeadlineSeconds: 0.5,
        }),
      folder,
    );
    assert.match(
      message,
      /^UserError: repeatable\/low\.sql stopped: others hold public\.low\.\n {2}migrations\/repeatable\/low\.sql:1:1\n {2}1 \| CREATE OR REPLACE VIEW public\.low AS\n {2} {2}\| \^\n {2}blocked by pid \d+.*report[^]*\n {2}Nothing of it was kept: its transaction was rolled back\./,
    );
    await reader.query("COMMIT");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });

  it("are known in a copy of the database, and its schema is the same", async () => {
    view("low", "SELECT id FROM public.stock");
    await apply();
    const fingerprintOf = async (of: { connect: typeof database.connect }): Promise<string> => {
      const client = await of.connect();
      const { digest } = await schemaFingerprint(client);
      await client.end();
      return digest;
    };
    const before = await fingerprintOf(database);
    const copy = await createDatabase(database.name);
    try {
      const result = await applyMigrations({
        connect: copy.connect,
        migrations: await readMigrations(folder.path),
        repeatables: await readRepeatables(folder.path),
        target: "clone",
      });
      assert.equal(typeof result.recognised, "string");
      assert.deepEqual(
        result.repeatables.map((one) => one.applied),
        [false],
      );
      assert.equal(await fingerprintOf(copy), before);
    } finally {
      await copy.drop();
    }
  });

  it("are no drift of the schema once they are applied", async () => {
    view("low", "SELECT id FROM public.stock");
    await apply();
    assert.deepEqual(await findDrift(await database.connect()), []);
    await database.query("CREATE OR REPLACE VIEW low AS SELECT id FROM public.stock LIMIT 1");
    const inspect = async () =>
      inspectRepeatables(await database.connect(), await readRepeatables(folder.path));
    assert.deepEqual(await findDrift(await database.connect()), [
      "view public.low: changed its definition",
    ]);
    assert.deepEqual(await inspect(), {
      drift: ["view public.low: its definition was changed"],
      unapplied: [],
      leftOver: [],
    });
    await apply();
    assert.deepEqual(await findDrift(await database.connect()), []);
    view("low", "SELECT 1 AS id");
    view("other", "SELECT 1 AS id");
    assert.deepEqual((await inspect()).unapplied, [
      "repeatable/low.sql is changed",
      "repeatable/other.sql is pending",
    ]);
  });

  it("tell in a preview what they would run, lock and leave over", async () => {
    view("low", "SELECT id FROM public.stock");
    view("old", "SELECT id FROM public.stock");
    await apply();
    folder.remove("repeatable/old.sql");
    folder.write(
      "repeatable/touch.sql",
      `CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE OR REPLACE TRIGGER touch BEFORE INSERT ON public.stock FOR EACH ROW EXECUTE FUNCTION public.touch();`,
    );
    view("low", "SELECT id, label FROM public.stock");
    const plan = await planMigrations(
      await database.connect(),
      await readMigrations(folder.path),
      undefined,
      await readRepeatables(folder.path),
    );
    assert.deepEqual(repeatableLinesOf(plan), [
      "repeatable/low.sql: changed",
      "repeatable/low.sql: statement 1: CREATE OR REPLACE VIEW public.low AS SELECT id, label FROM public.sto…",
      "repeatable/low.sql:   locks public.low: ACCESS EXCLUSIVE",
      "repeatable/touch.sql: pending",
      "repeatable/touch.sql: statement 1: CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE pl…",
      "repeatable/touch.sql: statement 2: CREATE OR REPLACE TRIGGER touch BEFORE INSERT ON public.stock FOR EAC…",
      "repeatable/touch.sql:   locks public.stock: SHARE ROW EXCLUSIVE",
      "repeatable/old.sql: its view public.old stays, and no file makes it",
    ]);
    assert.deepEqual(
      plan.repeatables.map(({ path, state, statements }) => [path, state, statements.length]),
      [
        ["repeatable/low.sql", "changed", 1],
        ["repeatable/touch.sql", "pending", 2],
      ],
    );
    assert.deepEqual(plan.leftOver, [
      { object: "view public.old", path: "repeatable/old.sql", drop: "DROP VIEW public.old" },
    ]);
  });

  it("are planned on an empty database, and refused there with their mistakes", async () => {
    view("low", "SELECT id FROM public.stock");
    assert.deepEqual(await status(), [
      "0001-stock          plain       pending",
      "repeatable/low.sql  repeatable  pending",
      "1 migration, 1 pending; 1 repeatable file, 1 to apply; no journal yet",
    ]);
    view("low", "SELECT public.higher()");
    folder.write(
      "repeatable/higher.sql",
      "CREATE OR REPLACE FUNCTION public.higher() RETURNS int LANGUAGE sql RETURN (SELECT 1 FROM public.low);",
    );
    const refused = (await status()).slice(4);
    assert.deepEqual(refused.slice(0, 2), ["", "apply would refuse:"]);
    assert.match(
      refused[2] ?? "",
      /^Repeatable files need each other in a circle; nothing was run\./,
    );
  });

  it("of a journal from before them are pending", async () => {
    await apply();
    await database.query(
      "DROP TABLE stateful_cd.repeatables; UPDATE stateful_cd.journal SET version = 7",
    );
    view("low", "SELECT id FROM public.stock");
    assert.equal((await status())[1], "repeatable/low.sql  repeatable  pending");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });
});
