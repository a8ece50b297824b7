import { UserError } from "../../userError";
import type { Journal } from "./journal";
import { compareNumbers, parseMigrationName } from "../files/migrationName";

/**
 * A release can be served as long as every shape that it knows is alive: going back is ordinary
 * before contract, and refused after it.
 * @param through the last migration that the release knows
 * @throws UserError naming the contracted migrations that come after it
 */
export function ensureServable(journal: Journal | undefined, through: string): void {
  const last = parseMigrationName(through)?.number;
  if (journal === undefined || last === undefined) return;
  const contracted = [...journal.migrations.values()]
    .filter(({ kind, state }) => {
      return kind === "phased" && ["done", "contracting", "undoing"].includes(state);
    })
    .filter(({ files }) => files.some(({ phase }) => phase === "sync" || phase === "contract"))
    .filter(({ number }) => compareNumbers(number, last) > 0)
    .sort((a, b) => compareNumbers(a.number, b.number))
    .map(({ id }) => id);
  if (contracted.length === 0) return;
  throw new UserError(
    `A release whose last migration is ${through} cannot be served: ${contracted.join(", ")} ${contracted.length === 1 ? "is" : "are"} contracted.`,
    [
      "The columns that it reads and writes are gone from their names.",
      "Data of the old shape is archived in columns called _dropped_<name>.",
    ],
    "serve a release that knows these migrations",
  );
}
