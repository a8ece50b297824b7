import { strict as assert } from "node:assert";
import { useEngine } from "../engineScene";

describe("a statement that would write a large table anew", () => {
  const { database, folder, apply, refusal, contract, abort } = useEngine();

  beforeEach(() =>
    database.query(
      `CREATE TABLE "Order" (id int PRIMARY KEY, qty int NOT NULL DEFAULT 1, note text);
       INSERT INTO "Order" SELECT i, i, i::text FROM generate_series(1, 5000) i; ANALYZE`,
    ),
  );

  /** The files that a refusal shows, by their names. */
  const shownFor = async (sql: string): Promise<Record<string, string>> => {
    folder.write("0001-a.sql", sql);
    const files: Record<string, string> = {};
    let name = "";
    for (const line of (await refusal()).split("\n").map((one) => one.slice(2))) {
      if (/^(expand\.sql|sync\.yaml|and a plain migration after it):$/.test(line)) {
        name = line.slice(0, -1);
      } else if (name !== "" && line.startsWith("  ")) {
        files[name] = `${files[name] ?? ""}${line.slice(2)}\n`;
      }
    }
    folder.remove("0001-a.sql");
    return files;
  };
  /** Pastes them as they stand. */
  const paste = (files: Record<string, string>): void => {
    folder.write("0001-a/expand.sql", files["expand.sql"] ?? "");
    folder.write("0001-a/sync.yaml", files["sync.yaml"] ?? "");
    const after = files["and a plain migration after it"];
    if (after !== undefined) folder.write("0002-b.sql", after);
  };

  it("for a volatile default is done by files that the refusal shows, row by row", async () => {
    const files = await shownFor(
      `ALTER TABLE "Order" ADD COLUMN IF NOT EXISTS "Token" uuid NOT NULL DEFAULT gen_random_uuid();`,
    );
    assert.deepEqual(files, {
      "expand.sql": [
        'ALTER TABLE public."Order" ADD COLUMN "Token" uuid;',
        'ALTER TABLE public."Order" ALTER COLUMN "Token" SET DEFAULT gen_random_uuid();\n',
      ].join("\n"),
      "sync.yaml": 'kind: fill\ntable: public.Order\nnew: "Token"\n',
      "and a plain migration after it":
        'ALTER TABLE public."Order" ALTER COLUMN "Token" SET NOT NULL;\n',
    });
    const [before] = await database.query(
      `SELECT relfilenode FROM pg_class WHERE relname = 'Order'`,
    );
    paste(files);
    await apply();
    await database.query(`INSERT INTO "Order" (id) VALUES (5001)`);
    assert.deepEqual(
      await database.query(`SELECT count(DISTINCT "Token")::int AS n FROM "Order"`),
      [{ n: 5001 }],
    );
    assert.deepEqual(
      await database.query("SELECT attnotnull FROM pg_attribute WHERE attname = 'Token'"),
      [{ attnotnull: true }],
    );
    assert.deepEqual(
      await database.query(`SELECT relfilenode FROM pg_class WHERE relname = 'Order'`),
      [before],
    );
    const { waiting } = await contract();
    assert.deepEqual(waiting, []);
  });

  it("for a number from a sequence fills each row with one of its own, and is taken back by abort", async () => {
    await database.query("CREATE SEQUENCE tickets");
    paste(
      await shownFor(
        `ALTER TABLE "Order" ADD ticket numeric(12, 2) DEFAULT (nextval('tickets') * 2 + random()), ADD x int`,
      ),
    );
    await apply();
    assert.deepEqual(
      await database.query(
        `SELECT count(DISTINCT ticket)::int AS n, count(*)::int AS of FROM "Order"`,
      ),
      [{ n: 5000, of: 5000 }],
    );
    await abort("0001-a");
    assert.deepEqual(
      await database.query("SELECT attname FROM pg_attribute WHERE attname = 'ticket'"),
      [],
    );
  });

  it("with a default that is NULL for a row is blocked at once, and told what to do", async () => {
    await database.query(
      `CREATE FUNCTION rarely() RETURNS int VOLATILE RETURN CASE WHEN random() < 0 THEN 1 END`,
    );
    paste({
      "expand.sql": `ALTER TABLE "Order" ADD x int; ALTER TABLE "Order" ALTER x SET DEFAULT rarely()`,
      "sync.yaml": "kind: fill\ntable: Order\nnew: x\n",
    });
    const lines = (await refusal()).split("\n  ");
    assert.deepEqual(lines.slice(0, 1).concat(lines.slice(-1)), [
      "UserError: Migration 0001-a is blocked: Rows of public.Order that have no x: more than 20.",
      "Next: give these rows a value, or x of public.Order a default that is never NULL; then run the same command again",
    ]);
    await database.query(`ALTER TABLE "Order" ALTER x SET DEFAULT 1 + random()`);
    await apply();
    assert.deepEqual(
      await database.query(`SELECT count(*)::int AS n FROM "Order" WHERE x IS NULL`),
      [{ n: 0 }],
    );
  });

  it("for a number from a sequence fills rows that somebody holds when they are free", async () => {
    await database.query("CREATE SEQUENCE tickets");
    paste(await shownFor(`ALTER TABLE "Order" ADD ticket int DEFAULT nextval('tickets')`));
    folder.write("0000-first.sql", "SELECT 1");
    await apply({ through: "0000-first" });
    await database.query(`
      CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.paused := true; RETURN NEW; END';
      CREATE TRIGGER pause BEFORE INSERT ON stateful_cd.backfills FOR EACH ROW EXECUTE FUNCTION pause()`);
    const holder = await database.connect();
    let held: Promise<unknown> | undefined;
    let freed: Promise<unknown> | undefined;
    await apply({
      onProgress: ({ message }) => {
        if (message.startsWith("backfill: paused")) {
          held ??= holder
            .query(`BEGIN; SELECT FROM "Order" WHERE id = 7 FOR UPDATE`)
            .then(() => database.query("UPDATE stateful_cd.backfills SET paused = false"));
        }
        if (message.includes("looked at")) freed ??= holder.query("COMMIT");
      },
    });
    assert.notEqual(freed, undefined);
    assert.deepEqual(await database.query(`SELECT count(DISTINCT ticket)::int AS n FROM "Order"`), [
      { n: 5000 },
    ]);
  });

  it("for another type is done by files that the refusal shows", async () => {
    const files = await shownFor(`ALTER TABLE "Order" ALTER COLUMN qty SET DATA TYPE bigint`);
    assert.deepEqual(files, {
      "expand.sql": 'ALTER TABLE public."Order" ADD COLUMN "qty_new" bigint;\n',
      "sync.yaml": 'kind: type\ntable: public.Order\nold: "qty"\nnew: "qty_new"\ntype: "bigint"\n',
    });
    paste(files);
    await apply();
    assert.deepEqual(
      await database.query(`SELECT count(*)::int AS n FROM "Order" WHERE qty = qty_new`),
      [{ n: 5000 }],
    );
  });

  it("for another type by an expression keeps it, and asks for the way back", async () => {
    const files = await shownFor(
      `ALTER TABLE "Order" ALTER note TYPE int USING CASE WHEN note ~ '^[1-9]\\d{0,8}$' THEN note::int END`,
    );
    assert.equal(
      files["sync.yaml"],
      [
        "kind: type",
        "table: public.Order",
        'old: "note"',
        'new: "note_new"',
        'type: "int"',
        `using: "CASE WHEN note ~ '^[1-9]\\\\d{0,8}$' THEN note::int END"`,
        "back: <the old value, from note_new; without it a cast>\n",
      ].join("\n"),
    );
    paste({ ...files, "sync.yaml": (files["sync.yaml"] ?? "").replace(/^back.*\n/m, "") });
    await apply();
    assert.deepEqual(
      await database.query(`SELECT count(*)::int AS n FROM "Order" WHERE note = note_new::text`),
      [{ n: 5000 }],
    );
  });

  it("shows expressions whole, whatever words they hold", async () => {
    const using = "CASE WHEN note IS NULL THEN 0 ELSE note::int END";
    const value = "CASE WHEN random() IS NOT NULL THEN NULL ELSE 1.5 END";
    const type = await shownFor(
      `ALTER TABLE "Order" ALTER note TYPE int USING ${using}, ADD x int`,
    );
    assert.equal(type["sync.yaml"]?.split("\n")[5], `using: ${JSON.stringify(using)}`);
    assert.deepEqual(
      await shownFor(
        `ALTER TABLE "Order" ADD x int, ADD "né" numeric(9, 2) -- of it all
           CONSTRAINT filled NOT NULL DEFAULT ${value}`,
      ),
      {
        "expand.sql": [
          'ALTER TABLE public."Order" ADD COLUMN "né" numeric(9, 2);',
          `ALTER TABLE public."Order" ALTER COLUMN "né" SET DEFAULT ${value};\n`,
        ].join("\n"),
        "sync.yaml": 'kind: fill\ntable: public.Order\nnew: "né"\n',
        "and a plain migration after it":
          'ALTER TABLE public."Order" ALTER COLUMN "né" SET NOT NULL;\n',
      },
    );
    const collated = await shownFor(
      `ALTER TABLE "Order" ADD y text COLLATE "C" DEFAULT random()::text NULL`,
    );
    assert.equal(
      collated["expand.sql"],
      [
        'ALTER TABLE public."Order" ADD COLUMN "y" text COLLATE "C";',
        'ALTER TABLE public."Order" ALTER COLUMN "y" SET DEFAULT random()::text;\n',
      ].join("\n"),
    );
  });

  it("shows no files that would leave out what is written, or be refused themselves", async () => {
    for (const change of [
      "ADD token uuid UNIQUE DEFAULT gen_random_uuid()",
      "ADD token uuid DEFAULT gen_random_uuid() CHECK (token IS NOT NULL)",
      'ADD token uuid DEFAULT gen_random_uuid() REFERENCES "Order" (token)',
      'ADD token text DEFAULT random()::text COLLATE "C"',
      "ALTER qty TYPE numeric(10, 2)",
      "ALTER qty TYPE char",
      'ALTER qty TYPE text COLLATE "C"',
    ]) {
      assert.deepEqual(await shownFor(`ALTER TABLE "Order" ${change}`), {}, change);
    }
  });

  it("for another type of a primary key is told to be done where it stands", async () => {
    folder.write("0001-a.sql", `ALTER TABLE "Order" ALTER COLUMN id TYPE bigint`);
    const lines = (await refusal()).split("\n  ");
    assert.deepEqual(lines.slice(4, 5).concat(lines.slice(-1)), [
      "It writes anew public.Order while nobody may use it: column id changes its type.",
      'Next: do it where it stands, at an hour when nobody works with the table; or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands',
    ]);
  });

  it("is not filled without a default, for new rows would stay empty", async () => {
    paste({
      "expand.sql": `ALTER TABLE "Order" ADD token uuid`,
      "sync.yaml": "kind: fill\ntable: Order\nnew: token\n",
    });
    assert.equal(
      (await refusal()).split("\n  ")[1],
      'public.Order.token has no default, which is what new rows get: add to expand.sql ALTER TABLE public."Order" ALTER COLUMN token SET DEFAULT ...;',
    );
  });
});
