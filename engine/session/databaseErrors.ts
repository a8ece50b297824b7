import { DatabaseError } from "pg";
import { errorText, UserError } from "../../userError";
import { commandForMissingRight } from "./missingRight";
import { printable, redactSecrets } from "../sql/sourceText";

/** PostgreSQL's error codes that the engine decides by. */
export const sqlState = {
  lockNotAvailable: "55P03",
  deadlockDetected: "40P01",
  queryCanceled: "57014",
  /** "cannot run inside a transaction block" */
  activeTransaction: "25001",
  /** a procedure or DO block that commits, inside a transaction */
  invalidTermination: "2D000",
  duplicateTable: "42P07",
  foreignKeyViolation: "23503",
  readOnlyTransaction: "25006",
  noRight: "42501",
  undefinedColumn: "42703",
  undefinedFunction: "42883",
  /** of a parameter: a role that does not exist, too */
  wrongValue: "22023",
  /** no number, no date: a text that cannot be cast */
  wrongText: "22P02",
  diskFull: "53100",
  /** a view that cannot be replaced: a column removed, renamed, of another type */
  viewRefused: "42P16",
  /** a function that cannot be replaced: another result, other names of arguments */
  functionRefused: "42P13",
  /** a function that is to become a procedure */
  wrongKind: "42809",
  dependentObjects: "2BP01",
  /** of ALTER TYPE: a view uses the column */
  notSupported: "0A000",
} as const;

export function stateOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}

/** Whether the connection itself is gone, rather than a statement refused. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = stateOf(error);
  if (code !== undefined) return code.startsWith("08") || /^57P0[1-5]$/.test(code);
  const { code: systemCode } = error as NodeJS.ErrnoException;
  if (systemCode !== undefined && /^E[A-Z]+$/.test(systemCode)) return true;
  return /^(Connection terminated|Client has encountered|Client was closed|timeout e)/.test(
    error.message,
  );
}

/** One line a fact that PostgreSQL adds to an error. */
export function factsOf(error: DatabaseError): string[] {
  const facts: [string, string | undefined][] = [
    ["detail", error.detail],
    ["hint", error.hint],
    ["where", error.where],
  ];
  return facts.flatMap(([name, text]) =>
    text === undefined
      ? []
      : [`${name}: ${printable(redactSecrets(text).replace(/\n\s*/g, "; "))}`],
  );
}

export function messageOf(error: unknown): string {
  const text = errorText(error);
  return printable(redactSecrets(text));
}

/**
 * What a person does next, by the kind of failure; undefined when the SQL itself is at fault.
 * @param statement the one that met the error, where it is known
 */
export function nextStepFor(error: unknown, statement?: string): string | undefined {
  const code = stateOf(error);
  switch (code ?? "") {
    case sqlState.diskFull:
      return "free space on the server's volume or enlarge it, then run the same command again";
    case sqlState.readOnlyTransaction:
      return "connect to the primary with a role that may write, then run the same command again";
    case sqlState.noRight: {
      const command =
        error instanceof DatabaseError ? commandForMissingRight(error, statement) : undefined;
      if (command?.includes("BYPASSRLS") === true) {
        return `${command}; then run the same command again`;
      }
      return `${command ?? "grant the right that is missing"}, or connect as the owner; then run the same command again`;
    }
    case sqlState.lockNotAvailable:
    case sqlState.deadlockDetected:
      return "wait until the sessions named above have ended, or end them; then run the same command again";
    case sqlState.queryCanceled:
      return "find out who or which time-out cancelled it, then run the same command again";
    case "28P01":
    case "28000":
      return "correct the user name or the password, or the server's pg_hba.conf";
    case "3D000":
      return "create the database, or correct its name";
    case "53300":
      return "raise max_connections or close sessions: the engine needs two";
    case "57P03":
      return "wait until the server has started, then run the same command again";
  }
  if (code?.startsWith("53") === true) {
    return "give the server more of what it lacks, then run the same command again";
  }
  if (isConnectionLoss(error)) {
    return "see that the server answers, then run the same command again: the journal knows how far it came";
  }
  return undefined;
}

/**
 * Makes a failure outside of any migration's statement readable. Errors of the engine pass
 * unchanged; what is no failure of the database stays what it is.
 */
export function explainConnectionError(error: unknown): unknown {
  if (error instanceof UserError) return error;
  if (error instanceof DatabaseError) {
    const code = error.code === undefined ? "" : ` (${error.code})`;
    return new UserError(
      `PostgreSQL refused: ${messageOf(error)}${code}.`,
      factsOf(error),
      nextStepFor(error) ?? "see the server's log",
    );
  }
  if (isConnectionLoss(error)) {
    const { errors = [] } = error as Partial<AggregateError>;
    const causes = [error, ...(errors as unknown[])].map(messageOf).filter((text) => text !== "");
    return new UserError(
      "The connection to PostgreSQL failed.",
      causes.slice(0, 2),
      nextStepFor(error),
    );
  }
  return error;
}
