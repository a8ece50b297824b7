import { strict as assert } from "node:assert";
import { sampleData } from "../../components/dynamic/sampleData";
import { generateSample, prepareDatabase } from "../bookkeeper";
import { createDatabase, useDatabase } from "../postgres";

describe("the generated data", () => {
  const database = useDatabase();

  const fingerprint = `
    SELECT md5(string_agg(line, E'\\n' ORDER BY line)) AS md5 FROM (
      SELECT 'i ' || i::text AS line FROM inventory i
      UNION ALL SELECT 'w ' || w::text FROM warehouses w
      UNION ALL SELECT 'm ' || m::text FROM menu m) AS lines`;

  it("is the same to the byte for the same seed and rows, and pinned", async () => {
    await prepareDatabase(database, 5000);
    assert.deepEqual(await database.query(fingerprint), [
      { md5: "c522521039f538770f9c8afaddc0e5ba" },
    ]);
    const other = await createDatabase();
    await prepareDatabase(other, 5000);
    await other.query("TRUNCATE menu, warehouses, inventory RESTART IDENTITY");
    await generateSample(other, 5000, "another seed");
    assert.notDeepEqual(await other.query(fingerprint), await database.query(fingerprint));
    await other.drop();
  });

  it("leaves tables alone that hold anything", async () => {
    await prepareDatabase(database);
    await database.query("INSERT INTO menu (item) VALUES ('Ours')");
    await generateSample(database, 100, "test");
    assert.deepEqual(await database.query("SELECT count(*)::int FROM inventory"), [{ count: 0 }]);
    assert.deepEqual(await database.query("SELECT item FROM menu"), [{ item: "Ours" }]);
  });

  it("refuses a number of rows that it cannot make", async () => {
    await prepareDatabase(database);
    await assert.rejects(generateSample(database, 5_000_001, "test"), {
      message: "sample.rows is 5000001, and must be from 0 to 5000000",
    });
  });

  it("says which database lacks it when its file has gone since the settings were read", async () => {
    const address = {
      ...{ context: "nowhere", namespace: "bookkeeper-test", app: "database", port: 5432 },
      ...{ database: "bookkeeper", role: "owner", secret: "database", secretKey: "owner-password" },
    };
    const file = "app/no-sample.sql";
    await assert.rejects(
      async () => sampleData.reconcile({ database: address, file, rows: 1, seed: "test" }),
      {
        message: [
          "Cannot generate sample data in bookkeeper-test/bookkeeper.",
          "ENOENT: no such file or directory, open 'app/no-sample.sql'",
          "Nothing was written.",
          "Next: correct app/no-sample.sql or remove stateful-cd:sampleData, then pulumi up",
        ].join("\n  "),
      },
    );
  });

  it("holds the cases that a migration of names must get right", async () => {
    await prepareDatabase(database, 10_000);
    const locations = (await database.query("SELECT location FROM warehouses")).map(
      ({ location }) => String(location),
    );
    for (const awkward of [
      "Boston, MA",
      "Boston , GA",
      "St. Louis, MO",
      "St. Louis , MO",
      "Austin",
      "  Tulsa, OK",
      "Omaha, NE  ",
      "Cañon City, CO",
      "Coeur d'Alene, ID",
    ]) {
      assert.ok(locations.includes(awkward), awkward);
    }
    assert.ok(locations.some((location) => location.length > 100));
    const [counts] = await database.query(`
      SELECT count(*)::int AS rows,
        count(*) FILTER (WHERE quantity = 0) > 100 AS "out of stock",
        count(*) FILTER (WHERE unit_price IS NULL) > 100 AS "without a price",
        count(*) FILTER (WHERE unit_price > 1000000) > 5 AS "very dear",
        count(*) FILTER (WHERE length(name) > 100) > 5 AS "very long names",
        count(*) FILTER (WHERE name ~ '[^[:ascii:]]') > 100 AS "not ASCII",
        count(DISTINCT name) < count(*) / 5 AS "names repeat",
        bool_and(EXISTS (SELECT FROM warehouses w WHERE w.location = i.warehouse_name)) AS "no orphan"
      FROM inventory i`);
    const { rows, ...cases } = counts ?? {};
    assert.equal(rows, 10_000);
    assert.deepEqual(
      Object.entries(cases).filter(([, holds]) => holds !== true),
      [],
    );
    const [contacts] = await database.query(`
      SELECT count(*) FILTER (WHERE contact_name IS NULL) > 0
         AND count(*) FILTER (WHERE contact_email IS NULL) > 0
         AND count(*) FILTER (WHERE contact_phone IS NULL) > 0 AS gaps,
        bool_and(contact_email ~ '^[a-z.]+@example\\.(com|org|net)$') AS fictional
      FROM warehouses`);
    assert.deepEqual(contacts, { gaps: true, fictional: true });
  });
});
