import type { ColumnSync } from "../files/syncFile";
import type { SyncContract } from "./liveSync";
import { inheritedOf } from "./sameValue";
import { archivedName } from "./syncNames";
import type { SyncTable } from "./syncTable";

/** Ends a sync of columns; the new one of a value that has just moved becomes what the old one was. */
export function contractOf(
  sync: ColumnSync,
  table: SyncTable,
  tag: string,
  q: (name: string) => string,
): SyncContract {
  const inherited = inheritedOf(sync, table);
  const notNull = `stateful_cd_${tag}_not_null`;
  return {
    prepare:
      inherited?.notNull === true
        ? [
            {
              table: table.sql,
              constraint: notNull,
              add: `CHECK (${q(inherited.column)} IS NOT NULL)`,
            },
          ]
        : [],
    release: [
      // The valid check spares SET NOT NULL its scan.
      ...(inherited?.notNull === true
        ? [
            `ALTER TABLE ${table.sql} ALTER COLUMN ${q(inherited.column)} SET NOT NULL`,
            `ALTER TABLE ${table.sql} DROP CONSTRAINT ${q(notNull)}`,
          ]
        : []),
      ...(inherited?.default === undefined
        ? []
        : [
            `ALTER TABLE ${table.sql} ALTER COLUMN ${q(inherited.column)} SET DEFAULT ${inherited.default}`,
          ]),
      ...sync.old.map((name) => `ALTER TABLE ${table.sql} ALTER COLUMN ${q(name)} DROP NOT NULL`),
    ],
    archive: sync.old.map(
      (name) => `ALTER TABLE ${table.sql} RENAME COLUMN ${q(name)} TO ${q(archivedName(name))}`,
    ),
  };
}
