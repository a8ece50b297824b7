/** One mistake in one field of a request, in words that can stand next to the field. */
export interface FieldError {
  field: string;
  message: string;
}

/** Why a request was refused: becomes the body, as application/problem+json (RFC 9457). */
export class Problem extends Error {
  /**
   * @param status HTTP status, 400 or above
   * @param title what kind of problem it is, the same for all of its kind
   * @param detail what is wrong this time and what to do, in a sentence for a person
   * @param errors the fields at fault, where there are any
   */
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly errors: readonly FieldError[] = [],
  ) {
    super(detail);
    this.name = "Problem";
  }
}
