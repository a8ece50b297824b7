import type { MigrationFile } from "./migration";

/**
 * A file of repeatable/: views, functions, procedures and triggers, run again whenever its text or
 * what it has made differs from what was applied. `path` is `repeatable/stock-list.sql`.
 */
export interface Repeatable extends MigrationFile {
  readonly phase: "repeatable";
}
