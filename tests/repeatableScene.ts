import type { ApplyOptions } from "../engine/apply";
import { statusLines } from "../engine/cli/output";
import { readMigrations } from "../engine/files/migrationFolder";
import { readRepeatables } from "../engine/files/repeatableFolder";
import { planMigrations } from "../engine/plan";
import { useEngine } from "./engineScene";
import { failureOf } from "./migrationFolder";

/**
 * The engine's scene with a table `public.stock` in its first migration, where `apply` and `plan` know
 * the folder's repeatable files too. Files are parsed by the run that needs them, as under Pulumi.
 */
export function useRepeatables() {
  const engine = useEngine();
  const { database, folder } = engine;
  beforeEach(() => {
    folder.write(
      "0001-stock.sql",
      "CREATE TABLE public.stock (id int PRIMARY KEY, label text NOT NULL, quantity int NOT NULL);\nINSERT INTO stock VALUES (1, 'ribs', 3), (2, 'rubs', 0);",
    );
  });
  const apply = async (options: Partial<ApplyOptions> = {}) =>
    engine.apply({
      migrations: readMigrations(folder.path),
      repeatables: readRepeatables(folder.path),
      ...options,
    });
  const plan = async () =>
    planMigrations(
      await database.connect(),
      readMigrations(folder.path),
      undefined,
      readRepeatables(folder.path),
    );
  return {
    ...engine,
    apply,
    /** The repeatable files that a run applies. */
    applied: async (): Promise<string[]> =>
      (await apply()).repeatables.filter((one) => one.applied).map(({ path }) => path),
    refusal: (options: Partial<ApplyOptions> = {}) => failureOf(() => apply(options), folder),
    plan,
    status: async (): Promise<string[]> => statusLines(await plan(), []),
    /** Writes the repeatable file of a view in `public`. */
    view: (name: string, query: string): void => {
      folder.write(
        `repeatable/${name}.sql`,
        `CREATE OR REPLACE VIEW public.${name} AS\n${query};\n`,
      );
    },
  };
}
