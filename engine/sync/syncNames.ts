import { digestOf } from "../files/digest";
import type { Migration } from "../files/migration";
import { archivePrefix } from "../sql/archivedColumn";

/** Triggers of one time run in the order of their names' bytes: `~` is the last character of ASCII. */
export const syncTriggerPrefix = "~stateful_cd_";

/** PostgreSQL cuts names at 63 bytes; this leaves room for what stands around the tag. */
const longestTag = 24;
const longestName = 63;

/**
 * A condition that only the backfill's own transactions fulfil: what they write needs no trigger, for
 * it is by construction what a trigger would make of it. Anybody may pretend; then a foreign key
 * refuses what does not agree.
 */
export const isFilling = "coalesce(current_setting('stateful_cd.filling', true), '') = 'on'";
export const setFilling = "SET LOCAL stateful_cd.filling = 'on'";

/** What tells the objects of one migration's sync from those of another's: its number. */
export function syncTagOf({ number }: Pick<Migration, "number">): string {
  return number.length <= longestTag
    ? number
    : digestOf(number).slice("sha256:".length).slice(0, longestTag);
}

/** The sequence of schema stateful_cd that counts what the old release writes. */
export function oldWritesOf(tag: string): string {
  return `sync_${tag}_old_writes`;
}

/** The name under which contract keeps an old column. */
export function archivedName(column: string): string {
  return cutName(`${archivePrefix}${column}`);
}

/** A name as PostgreSQL would cut it. */
export function cutName(name: string): string {
  let cut = Array.from(name);
  while (Buffer.byteLength(cut.join("")) > longestName) cut = cut.slice(0, -1);
  return cut.join("");
}
