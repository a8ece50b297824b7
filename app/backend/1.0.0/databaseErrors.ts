import { DatabaseError } from "pg";
import { Problem } from "../../service/1.0.0/problem";

/** The connection went while COMMIT was under way: the write exists, or it does not. */
export class UnknownOutcome extends Error {
  constructor(cause: unknown) {
    super("The connection was lost during COMMIT.", { cause });
    this.name = "UnknownOutcome";
  }
}

const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** What pg and pg-pool say, without any code, of a connection that is gone or cannot be had. */
const lostConnection =
  /^(Connection terminated|Client has encountered a connection error|Query read timeout|timeout e)/;

/**
 * Whether the connection failed, not the statement. SQLSTATE class 08, 53300 and 57P0x are
 * PostgreSQL's "Appendix A. Error Codes"; PgBouncer answers 08P01 while its server is away.
 */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(08|53300|57P0[1-5])/.test(error.code ?? "");
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : undefined;
  return code === undefined ? lostConnection.test(error.message) : networkCodes.has(code);
}

/** Whether PostgreSQL rolled the transaction back for the sake of another one (40001, 40P01). */
export function isRolledBackForOthers(error: unknown): boolean {
  return error instanceof DatabaseError && /^40(001|P01)$/.test(error.code ?? "");
}

/** Whether `error` is a violation of the unique constraint of that name. */
export function isDuplicate(error: unknown, constraint: string): boolean {
  return (
    error instanceof DatabaseError && error.code === "23505" && error.constraint === constraint
  );
}

/** The problem a person is shown for a database error that no route explains better. */
export function explainDatabaseError(error: Error): Problem | undefined {
  if (error instanceof UnknownOutcome) {
    return new Problem(
      503,
      "Outcome unknown",
      "The connection was lost at the last moment. This may or may not be saved: look before you repeat it.",
    );
  }
  if (isConnectionLost(error)) {
    return new Problem(
      503,
      "Database unreachable",
      "The database cannot be reached, so nothing was changed. Please try again in a moment.",
    );
  }
  if (error instanceof DatabaseError && error.code === "57014") {
    return new Problem(503, "Too slow", "The database took too long. Nothing was changed.");
  }
  return undefined;
}
