import type { MigrationFile } from "./migration";

/**
 * Whether a file's header, the comments before its first statement, says `-- atomic: true`: run it
 * as it stands, whatever it holds up.
 */
export function isAtomic({ text }: MigrationFile): boolean {
  const header = /^(?:\s*--[^\n]*(?:\n|$))*/.exec(text)?.[0] ?? "";
  return /^\s*--\s*atomic:\s*true\s*$/im.test(header);
}
