import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import type { OwnServer } from "../../tests/postgresServer";
import { onServer } from "./crashes";

/** What a run leaves: equal for two databases that came to the same end. */
export interface Outcome {
  /** The schema fingerprint's facts, a line each. */
  readonly schema: readonly string[];
  /** A line a table: its rows, in any order, as a digest. */
  readonly data: readonly string[];
  /** The journal: states of migrations and steps, and runs that have not ended. */
  readonly journal: readonly string[];
}

export function readOutcome(server: OwnServer, database: string): Promise<Outcome> {
  return onServer(
    server,
    async (client) => {
      const lines = async (query: string): Promise<string[]> =>
        (await client.query<{ line: string }>(query)).rows.map(({ line }) => line);
      const tables = await lines(
        `SELECT format('%I.%I', schemaname, tablename) AS line FROM pg_tables
          WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'stateful_cd') ORDER BY 1`,
      );
      const data: string[] = [];
      for (const table of tables) {
        data.push(
          ...(await lines(
            `SELECT '${table} ' || coalesce(md5(string_agg(t::text, ';' ORDER BY t::text)), 'empty') AS line
               FROM ${table} t`,
          )),
        );
      }
      const { facts } = await schemaFingerprint(client);
      return {
        schema: facts.map((fact) => JSON.stringify(fact)),
        data,
        journal: await lines(
          `SELECT id || ' ' || state AS line FROM stateful_cd.migrations
           UNION ALL
           SELECT concat_ws(' ', migration, phase, last_statement, state) FROM stateful_cd.steps
           UNION ALL
           SELECT path || ' ' || digest FROM stateful_cd.repeatables
           UNION ALL
           SELECT 'run that has not ended' FROM stateful_cd.runs WHERE outcome = 'running'
           ORDER BY 1`,
        ),
      };
    },
    database,
  );
}

/** What differs, a line each; empty for the same end. */
export function compareOutcomes(expected: Outcome, found: Outcome): string[] {
  return (["schema", "data", "journal"] as const).flatMap((part) => [
    ...expected[part]
      .filter((line) => !found[part].includes(line))
      .map((line) => `missing ${line}`),
    ...found[part].filter((line) => !expected[part].includes(line)).map((line) => `found ${line}`),
  ]);
}
