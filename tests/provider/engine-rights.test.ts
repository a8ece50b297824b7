import { strict as assert } from "node:assert";
import { useEngine } from "../engineScene";

describe("a role that lacks a right", () => {
  const { database, folder, refusal } = useEngine();
  beforeEach(() =>
    database.query(
      `DROP ROLE IF EXISTS lacking;
       CREATE ROLE lacking LOGIN PASSWORD 'canary-secret';
       GRANT CREATE ON DATABASE "${database.name}" TO lacking;
       CREATE SCHEMA own AUTHORIZATION lacking;
       CREATE TABLE own.here (); ALTER TABLE own.here OWNER TO lacking;
       CREATE SCHEMA hidden; CREATE TABLE hidden.t (); CREATE TYPE hidden.mood AS ENUM ('glad');
       CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO lacking;
       CREATE TABLE closed.stock (id int PRIMARY KEY);
       CREATE VIEW closed.shown AS SELECT 1; CREATE SEQUENCE closed.ids;
       CREATE FUNCTION closed.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
       REVOKE EXECUTE ON FUNCTION closed.f() FROM PUBLIC;
       CREATE TYPE closed.mood AS ENUM ('glad'); REVOKE USAGE ON TYPE closed.mood FROM PUBLIC`,
    ),
  );

  for (const [sql, command] of [
    ["CREATE TABLE closed.t ()", "GRANT USAGE, CREATE ON SCHEMA closed TO <role>"],
    ["SELECT * FROM closed.stock", "GRANT SELECT ON stock TO <role>"],
    ["INSERT INTO closed.stock VALUES (1)", "GRANT INSERT ON stock TO <role>"],
    ["UPDATE closed.stock SET id = 1", "GRANT SELECT, UPDATE ON stock TO <role>"],
    ["DELETE FROM closed.stock", "GRANT SELECT, DELETE ON stock TO <role>"],
    ["TRUNCATE closed.stock", "GRANT TRUNCATE ON stock TO <role>"],
    ["SELECT * FROM closed.shown", "GRANT SELECT ON shown TO <role>"],
    ["CREATE TABLE own.t (id int REFERENCES closed.stock)", "GRANT REFERENCES ON stock TO <role>"],
    ["SELECT nextval('closed.ids')", "GRANT USAGE, SELECT, UPDATE ON SEQUENCE ids TO <role>"],
    ["SELECT closed.f()", "GRANT EXECUTE ON FUNCTION f TO <role>"],
    ["CREATE TABLE own.t (m closed.mood)", "GRANT USAGE ON TYPE closed.mood TO <role>"],
    ["ALTER TABLE closed.stock ADD x int", "ALTER TABLE stock OWNER TO <role>"],
    ["DROP FUNCTION closed.f()", "ALTER FUNCTION closed.f OWNER TO <role>"],
    ["ALTER TABLE hidden.t ADD x int", "GRANT USAGE, CREATE ON SCHEMA hidden TO <role>"],
    ["ALTER TABLE own.here ADD m hidden.mood", "GRANT USAGE, CREATE ON SCHEMA hidden TO <role>"],
    ["CREATE ROLE other", "grant the right that is missing"],
  ] as const) {
    it(`is told what gives it the right to ${sql}`, async () => {
      folder.write("0001-a.sql", sql);
      const connect = () => database.connect({ user: "lacking", password: "canary-secret" });
      const message = await refusal({ connect });
      assert.match(message, /^ {2}migrations\/0001-a\.sql:1:\d+ \(statement 1 of 1\)$/m);
      assert.equal(
        message.split("\n  ").at(-1),
        `Next: ${command}, or connect as the owner; then run the same command again`,
      );
    });
  }

  it("is told what lets it connect", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    await database.query(`REVOKE CONNECT ON DATABASE "${database.name}" FROM PUBLIC, lacking`);
    const connect = () => database.connect({ user: "lacking", password: "canary-secret" });
    assert.equal(
      await refusal({ connect }),
      [
        `UserError: PostgreSQL refused: permission denied for database "${database.name}" (42501).`,
        "detail: User does not have CONNECT privilege.",
        `Next: GRANT CONNECT ON DATABASE "${database.name}" TO <role>, or connect as the owner; then run the same command again`,
      ].join("\n  "),
    );
  });
});
