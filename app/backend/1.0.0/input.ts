import * as z from "zod";
import { type FieldError, Problem } from "../../service/1.0.0/problem";

/** The largest value of PostgreSQL's integer, which quantities are kept in. */
export const mostQuantity = 2_147_483_647;

/** Text as it was typed: not empty, no control characters, and able to make the way to UTF-8 and back. */
export function text(most: number) {
  return z
    .string("must be text")
    .min(1, "must not be empty")
    .max(most, `must not be longer than ${most} characters`)
    .regex(/\S/, "must not be blank")
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, "must not contain control characters");
}

/** A whole number in JSON. */
export function whole(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.int(message).min(least, message).max(most, message);
}

/** A row's id in a path. */
export const idInPath = z.strictObject({
  id: z
    .string()
    .regex(/^[1-9]\d{0,15}$/, "must be a whole number above 0")
    .transform(Number)
    .refine(Number.isSafeInteger, { error: "must be a whole number above 0" }),
});

/**
 * Checks one part of a request.
 * @throws Problem 400 that names every field at fault
 */
export function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const errors = firstOfEach(result.error.issues.flatMap(toFieldErrors));
  const detail = errors.map(({ field, message }) => `${field} ${message}`).join("; ");
  throw new Problem(400, "Bad request", `${detail}.`, errors);
}

/** The first mistake of each field: the others usually follow from it. */
function firstOfEach(errors: FieldError[]): FieldError[] {
  return errors.filter(
    (error, index) => errors.findIndex(({ field }) => field === error.field) === index,
  );
}

function toFieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((field) => ({ field, message: "is not a known field" }));
  }
  const field = issue.path.length === 0 ? "The request" : issue.path.join(".");
  const isMissing = issue.code === "invalid_type" && issue.input === undefined;
  return [{ field, message: isMissing ? "must be given" : issue.message }];
}
