/** What the name of a column begins with that contract has put aside. */
export const archivePrefix = "_dropped_";

/** Whether no release can use a column any more. */
export function isArchived(column: string): boolean {
  return column.startsWith(archivePrefix);
}
