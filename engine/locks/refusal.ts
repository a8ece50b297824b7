import { UserError } from "../../userError";
import type { MigrationFile } from "../files/migration";
import { excerpt } from "../sql/sourceText";
import type { StatementClass } from "./classification";
import { stallWords } from "./estimate";
import { type LostName, wayOut } from "./namesLost";

/** Why a statement must not be run as it stands. */
export interface Refusal {
  readonly found: StatementClass;
  /** What would happen; others would be held up unless it says something else. */
  readonly problem?: string;
  readonly why: string;
  readonly fix: string;
  readonly files?: readonly string[];
  /** How long others would wait, where that is not the statement's own length; empty for not at all. */
  readonly stall?: string;
}

export function refusalOfLoss({ found, loss }: LostName): Refusal {
  return {
    found,
    problem: "would take away what the release that is served may use",
    why: `It ${loss.how}s ${loss.what}, which was there before this run and has rows.`,
    fix: wayOut(loss),
    stall: "",
  };
}

/** A refusal as people see it. */
export function refusalError(migration: string, file: MigrationFile, refusal: Refusal): UserError {
  const { found, problem = "would hold others up", why, fix, files = [] } = refusal;
  const { stall = stallWords(found) } = refusal;
  return new UserError(
    `Migration ${migration} ${problem}; nothing of ${file.shownPath} was run.`,
    [
      ...excerpt(file, found.statement.offset),
      why,
      ...(stall === "" ? [] : [`${stall}.`]),
      ...files,
    ],
    `${fix}; or write "-- atomic: true" on the first line of ${file.shownPath} to run it as it stands`,
  );
}
