import { strict as assert } from "node:assert";
import type { Client } from "pg";
import { applyMigrations } from "../../engine/apply";
import { readMigrations } from "../../engine/files/migrationFolder";
import { readRepeatables } from "../../engine/files/repeatableFolder";
import { planMigrations } from "../../engine/plan";
import { failureOf, useFolder } from "../migrationFolder";
import { useDatabase } from "../postgres";

describe("repeatable files", () => {
  const database = useDatabase();
  const folder = useFolder();

  describe("and rights on what they make, which", () => {
    let app = "";
    let owner = "";
    beforeEach(async () => {
      app = `app_${database.name}`;
      owner = `owner_${database.name}`;
      await database.query(
        `CREATE ROLE ${app}; CREATE ROLE ${owner}; GRANT ALL ON SCHEMA public TO ${owner}`,
      );
      folder.write("0001-stock.sql", "CREATE TABLE public.stock (id int, quantity int);");
    });
    afterEach(async () => {
      await database.query(`DROP OWNED BY ${app}, ${owner} CASCADE; DROP ROLE ${app}, ${owner}`);
    });

    const apply = async (connect: () => Promise<Client> = database.connect): Promise<string[]> => {
      const result = await applyMigrations({
        connect,
        migrations: readMigrations(folder.path),
        repeatables: readRepeatables(folder.path),
      });
      return result.repeatables.filter((one) => one.applied).map(({ path }) => path);
    };
    const standing = async (): Promise<string[]> =>
      (
        await planMigrations(
          await database.connect(),
          readMigrations(folder.path),
          undefined,
          readRepeatables(folder.path),
        )
      ).repeatables.map(({ state, drift }) => [state, ...drift].join(": "));
    const rightsOnPrice = (): Promise<unknown> =>
      database.query(
        `SELECT pg_get_userbyid(proowner) = '${owner}' AS owned, prosecdef AS definer,
              obj_description(oid, 'pg_proc') AS comment,
              has_function_privilege('${app}', oid, 'EXECUTE WITH GRANT OPTION') AS app,
              has_function_privilege('pg_monitor', oid, 'EXECUTE') AS others
         FROM pg_proc WHERE proname = 'price'`,
      );

    for (const [what, later] of [
      ["get other names", "FUNCTION public.price(key int, low mood) RETURNS int"],
      ["come out under another name", "FUNCTION public.price(id int, low mood, OUT b int)"],
      ["belong to a procedure now", "PROCEDURE public.price(id int, low mood)"],
    ] as const) {
      it(`are those of before where a function's arguments ${what}`, async () => {
        const write = (head: string): void => {
          const body = head.startsWith("PROCEDURE") ? "" : " SECURITY DEFINER";
          folder.write(
            "repeatable/price.sql",
            `CREATE OR REPLACE ${head} LANGUAGE sql${body} AS 'SELECT 1';`,
          );
        };
        await database.query("CREATE TYPE mood AS ENUM ('glad')");
        write(
          later.includes("OUT")
            ? "FUNCTION public.price(id int, low mood, OUT a int)"
            : "FUNCTION public.price(id int, low mood) RETURNS int",
        );
        await apply();
        await database.query(
          `ALTER FUNCTION price OWNER TO ${owner}; REVOKE EXECUTE ON FUNCTION price FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION price TO ${app} WITH GRANT OPTION; COMMENT ON FUNCTION price IS 'what it costs'`,
        );
        write(later);
        assert.deepEqual(await apply(), ["repeatable/price.sql"]);
        const definer = !later.startsWith("PROCEDURE");
        const comment = "what it costs";
        assert.deepEqual(await rightsOnPrice(), [
          { owned: true, definer, comment, app: true, others: false },
        ]);
        assert.deepEqual(await apply(), []);
      });
    }

    describe("are put right by a file that says them itself, and nothing else is:", () => {
      const low = (): Promise<unknown> =>
        database.query(
          `SELECT has_column_privilege('pg_monitor', 'low', 'id', 'SELECT') AS id,
                has_table_privilege('pg_monitor', 'low', 'SELECT') AS whole,
                has_table_privilege('${app}', 'low', 'SELECT') AS app,
                obj_description('low'::regclass) AS comment, col_description('low'::regclass, 1) AS key,
                has_function_privilege('pg_monitor', 'f(int)', 'EXECUTE') AS number,
                has_function_privilege('pg_monitor', 'f(text)', 'EXECUTE') AS text`,
        );
      const whole = {
        ...{
          id: true,
          whole: true,
          app: true,
          comment: "low",
          key: "key",
          number: true,
          text: true,
        },
      };
      beforeEach(async () => {
        await database.query(
          `ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT ON TABLES TO ${app}, pg_monitor;
         CREATE ROLE "${app} two"`,
        );
        folder.write(
          "repeatable/low.sql",
          `CREATE OR REPLACE VIEW public.low AS SELECT id FROM public.stock;
GRANT SELECT (id), UPDATE ON low TO pg_monitor, "${app} two", CURRENT_USER;
COMMENT ON COLUMN low.id IS 'key';
CREATE OR REPLACE FUNCTION public.f(int) RETURNS int LANGUAGE sql RETURN 1;
CREATE OR REPLACE FUNCTION public.f(text) RETURNS int LANGUAGE sql RETURN 1;
REVOKE ALL ON FUNCTION public.f(int), f(text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.f(int) TO pg_monitor;`,
        );
        await apply();
        await database.query(
          `GRANT EXECUTE ON FUNCTION f(text) TO pg_monitor; COMMENT ON VIEW low IS 'low'`,
        );
        // So that all of that was there when the file was run.
        await database.query("CREATE OR REPLACE VIEW low AS SELECT id FROM stock LIMIT 1");
        assert.deepEqual(await apply(), ["repeatable/low.sql"]);
        assert.deepEqual(await low(), [whole]);
      });
      afterEach(() => database.query(`DROP OWNED BY "${app} two"; DROP ROLE "${app} two"`));

      const drifts: [sql: string, shown: string][] = [
        [
          "REVOKE SELECT (id) ON low FROM pg_monitor",
          "view public.low: the grant of SELECT id to pg_monitor was changed or removed",
        ],
        [
          "COMMENT ON COLUMN low.id IS NULL",
          "view public.low: the comment on COLUMN public.low.id: key was changed or removed",
        ],
        [
          "REVOKE EXECUTE ON FUNCTION f(int) FROM pg_monitor",
          "function public.f(integer): the grant of EXECUTE to pg_monitor was changed or removed",
        ],
      ];
      for (const [sql, shown] of drifts) {
        it(`${sql} is taken back`, async () => {
          await database.query(sql);
          assert.deepEqual(await standing(), [`drifted: ${shown}`]);
          assert.deepEqual(await apply(), ["repeatable/low.sql"]);
          assert.deepEqual(await low(), [whole]);
          assert.deepEqual(await standing(), ["applied"]);
        });
      }

      it("a role whose name is written in quotes, and the option to grant what it grants", async () => {
        await database.query(`GRANT UPDATE ON low TO "${app} two" WITH GRANT OPTION`);
        assert.deepEqual(await standing(), ["applied"]);
        await database.query(`REVOKE UPDATE ON low FROM "${app} two"`);
        assert.deepEqual(await standing(), [
          `drifted: view public.low: the grant of UPDATE to "${app} two" was changed or removed`,
        ]);
      });

      for (const sql of [
        "REVOKE SELECT, INSERT ON low FROM %app",
        "REVOKE INSERT ON low FROM pg_monitor",
        "COMMENT ON VIEW low IS NULL",
        "REVOKE EXECUTE ON FUNCTION f(text) FROM pg_monitor",
      ]) {
        it(`${sql} stays`, async () => {
          await database.query(sql.replace("%app", app));
          assert.deepEqual(await standing(), ["applied"]);
          assert.deepEqual(await apply(), []);
        });
      }
    });

    it("that a run lacks to make an object again are told with the object", async () => {
      folder.write(
        "repeatable/low.sql",
        "CREATE OR REPLACE VIEW public.low AS SELECT id, quantity FROM public.stock;",
      );
      folder.write(
        "repeatable/lowest.sql",
        "CREATE OR REPLACE VIEW public.lowest AS SELECT id FROM public.low;",
      );
      await database.query(
        `GRANT CREATE ON DATABASE "${database.name}" TO ${app}; GRANT ALL ON SCHEMA public TO ${app};
       ALTER ROLE ${app} LOGIN PASSWORD 'canary-secret'`,
      );
      const connect = (): Promise<Client> =>
        database.connect({ user: app, password: "canary-secret" });
      await apply(connect);
      await database.query(`ALTER VIEW lowest OWNER TO ${owner}`);
      folder.write(
        "repeatable/low.sql",
        "CREATE OR REPLACE VIEW public.low AS SELECT id FROM public.stock;",
      );
      assert.equal(
        await failureOf(() => apply(connect), folder),
        [
          "UserError: repeatable/low.sql failed: must be owner of view lowest (42501).",
          "migrations/repeatable/low.sql, at DROP VIEW public.lowest, which is to be made again",
          "Nothing of it was kept: its transaction was rolled back.",
          "Next: ALTER VIEW lowest OWNER TO <role>, or connect as the owner; then run the same command again",
        ].join("\n  "),
      );
    });
  });
});
