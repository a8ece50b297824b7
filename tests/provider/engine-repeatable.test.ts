import { strict as assert } from "node:assert";
import { repeatableLinesOf } from "../../components/dynamic/migrationPreview";
import { readRepeatables } from "../../engine/files/repeatableFolder";
import { findDrift } from "../../engine/journal/recordedSchema";
import { inspectRepeatables } from "../../engine/repeatable/inspect";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { createDatabase } from "../postgres";
import { useRepeatables } from "../repeatableScene";

describe("repeatable files", () => {
  const { database, folder, apply, applied, refusal, plan, status, view } = useRepeatables();
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
    assert.deepEqual((await apply({ through: "0001-stock" })).repeatables, []);
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
  });

  it("that cannot be run are refused before a migration is", async () => {
    folder.write("repeatable/low.sql", "CREATE VIEW low AS SELECT 1 AS a;");
    assert.equal(
      await refusal(),
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
      await refusal(),
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
      const result = await apply({ connect: copy.connect, target: "clone" });
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
      inspectRepeatables(await database.connect(), readRepeatables(folder.path));
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
    const planned = await plan();
    assert.deepEqual(repeatableLinesOf(planned), [
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
      planned.repeatables.map(({ path, state, statements }) => [path, state, statements.length]),
      [
        ["repeatable/low.sql", "changed", 1],
        ["repeatable/touch.sql", "pending", 2],
      ],
    );
    assert.deepEqual(planned.leftOver, [
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
