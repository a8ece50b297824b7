import path from "node:path";
import { errorText, UserError } from "../userError";
import { chainDigest, type Digest } from "./files/digest";
import type { Migration } from "./files/migration";
import { shapes } from "./files/lateShapes";
import { throughMigration } from "./files/migrationFolder";
import { readTextIfThere } from "./files/readText";

/**
 * migrations/baseline.json: a committed checkpoint. Everything at or before `through` counts as one
 * unit, so that the number of resources does not grow with history.
 */
export interface Baseline {
  /** The id of the last migration of the unit. */
  readonly through: string;
  /** The chain digest of the unit: the checkpoint of what was there when it was written. */
  readonly digest: Digest;
}

export const baselineFile = "baseline.json";

/**
 * undefined when the folder has no baseline.json.
 * @throws UserError when the file is not what it should be
 */
export function loadBaseline(folder: string): Baseline | undefined {
  const shown = path.join(folder, baselineFile);
  const text = readTextIfThere(shown);
  if (text === undefined) return undefined;
  const refuse = (details: string[]): UserError =>
    new UserError(`${shown} is not a baseline.`, details, `git checkout -- ${shown}`);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw refuse([errorText(error)]);
  }
  const result = shapes().baselineShape.safeParse(content);
  if (result.success) return result.data;
  throw refuse(
    result.error.issues.map((issue) => `${issue.path.map(String).join(".")}: ${issue.message}`),
  );
}

/**
 * Divides migrations into the baseline's unit and the later ones. Without a baseline all are later.
 * @throws UserError when the baseline names no migration, or its files have changed since
 */
export function splitAtBaseline(
  migrations: readonly Migration[],
  baseline: Baseline | undefined,
): { baseline: Migration[]; later: Migration[] } {
  if (baseline === undefined) return { baseline: [], later: [...migrations] };
  const unit = throughMigration(migrations, baseline.through);
  const found = chainDigest(unit);
  if (found !== baseline.digest) {
    throw new UserError(
      `The migrations up to ${baseline.through} are not those of ${baselineFile}.`,
      [`${baselineFile} says ${baseline.digest}`, `the files give ${found}`],
      `restore the files: git log --stat -- migrations`,
    );
  }
  return { baseline: unit, later: migrations.slice(unit.length) };
}
