/** A migration's number as its file writes it: `0001`, `20261122` or dotted, `1.10`. */
const namePattern = /^(\d+(?:\.\d+)*)-([A-Za-z0-9][A-Za-z0-9_.-]*)$/;

export interface MigrationName {
  /** File or folder name without `.sql`. */
  readonly id: string;
  /** The number without leading zeros, `1.10` for `V1.10` and `01.10` alike. */
  readonly number: string;
}

/** undefined when the name does not follow the rule `<number>-<name>`. */
export function parseMigrationName(id: string): MigrationName | undefined {
  const number = namePattern.exec(id)?.[1];
  if (number === undefined || id.length > 200) return undefined;
  const parts = number.split(".").map((part) => part.replace(/^0+(?=\d)/, ""));
  return { id, number: parts.join(".") };
}

/** At the start of a sentence; a file of repeatable/ has its path for an id. */
export function titleOf(id: string): string {
  return id.includes("/") ? id : `Migration ${id}`;
}

/** Orders by number, not by letters: `9` before `10`, `1.9` before `1.10`. */
export function compareNumbers(a: string, b: string): number {
  const left = a.split(".");
  const right = b.split(".");
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = compareParts(left[index], right[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Parts have no leading zeros, so the longer one is the larger one: no size limit. */
function compareParts(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}
