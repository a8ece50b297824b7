import { accessSync, constants } from "node:fs";
import * as z from "zod";

/** A whole number written in decimal digits, between `least` and `most`, or the default. */
export function wholeNumber(least: number, most: number, byDefault: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, {
      error: `must be a whole number from ${least} to ${most}`,
    })
    .default(byDefault);
}

/** A value that has no sensible default. */
export const required = z.string("must be set");

/** The path of a file that this process can read; what is in it never becomes a setting. */
export const readableFile = required.refine(isReadable, { error: "must name a readable file" });

/** What every server of this release is told. */
export const serviceSettings = z.object({
  /** TCP port to listen on. */
  PORT: wholeNumber(1, 65535, 8080),
  /** The release this server was built for, as people call it: "1.0.0". */
  RELEASE: required,
  /** Milliseconds between the signal to stop and the end of accepting, for the news to spread. */
  SHUTDOWN_DELAY_MS: wholeNumber(0, 60_000, 5_000),
});
export type ServiceSettings = z.output<typeof serviceSettings>;

/**
 * Reads settings from environment variables; an empty variable counts as absent.
 * @throws Error that names every mistake at once, and no value
 */
export function readSettings<T>(schema: z.ZodType<T>, environment: NodeJS.ProcessEnv): T {
  const present = Object.entries(environment).filter(([, value]) => value !== "");
  const result = schema.safeParse(Object.fromEntries(present));
  if (result.success) return result.data;
  const mistakes = result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
  throw new Error(["The environment variables are not usable:", ...mistakes].join("\n  "));
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
