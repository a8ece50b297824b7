/** What a failure says, whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Its first line, where there is room for one. */
export function firstLineOf(error: unknown): string {
  return errorText(error).split("\n")[0] ?? "";
}

/**
 * The one error that is meant for a person: what is wrong, where, what is allowed or why, and the
 * next command. Its message is complete as it stands, because Pulumi shows nothing but the message.
 */
export class UserError extends Error {
  /**
   * @param problem what is wrong and with which thing, in one sentence
   * @param details where it is, the cause, what is allowed: one fact a line
   * @param next the command or the edit that mends it
   */
  constructor(
    readonly problem: string,
    readonly details: readonly string[] = [],
    readonly next?: string,
  ) {
    super([problem, ...details, ...(next === undefined ? [] : [`Next: ${next}`])].join("\n  "));
    this.name = "UserError";
  }
}
