import { UserError } from "../userError";

/** Tells why a benchmark has no figures, in the words that are meant for people where there are any. */
export function reportFailure(error: unknown): void {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
