import type * as z from "zod";
import { readableFile, required, serviceSettings, wholeNumber } from "../../service/1.0.0/settings";

export const backendSettings = serviceSettings.extend({
  /** Where applications reach PostgreSQL: the pooler's address. */
  DATABASE_HOST: required,
  DATABASE_PORT: wholeNumber(1, 65535, 5432),
  DATABASE_NAME: required,
  /** The login role of this release. */
  DATABASE_USER: required,
  /** A file with the role's password, read anew for every connection, so that it may be rotated. */
  DATABASE_PASSWORD_FILE: readableFile,
  /** Most connections this process holds at once. */
  POOL_SIZE: wholeNumber(1, 100, 10),
});
export type BackendSettings = z.output<typeof backendSettings>;
