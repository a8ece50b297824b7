import type { FillSync } from "../files/syncFile";
import type { Quoting } from "./quoting";
import { keyColumns, type LiveSync } from "./liveSync";
import type { SyncTable } from "./syncTable";

/**
 * A new column with a default that is another value for every row: ADD COLUMN ... DEFAULT would write
 * the whole table anew under ACCESS EXCLUSIVE. New rows get the default from the table itself, so
 * that no trigger is needed; the backfill gives it to those that were there before.
 */
export function fillSync(sync: FillSync, table: SyncTable, { name: q }: Quoting): LiveSync {
  const column = q(sync.new);
  const value = table.columns.find(({ name }) => name === sync.new)?.default ?? "NULL";
  const empty = `t.${column} IS NULL`;
  return {
    table,
    summary: `${table.shown}: ${sync.new} := ${value}`,
    locked: [table],
    indexes: [],
    laterIndexes: Object.entries(sync.indexes).map(([name, elements]) => ({
      table,
      name,
      isUnique: false,
      elements,
    })),
    uninstall: [],
    install: [],
    triggers: [],
    calledByWriters: [],
    filled: [sync.new],
    touches: sync.touches,
    workers: sync.workers,
    pace: sync.pace,
    fill: (range, skipLocked) => {
      const set = `UPDATE ${table.sql} t SET ${column} = DEFAULT`;
      if (!skipLocked) return `${set} WHERE ${range} AND ${empty}`;
      return `WITH free AS MATERIALIZED (
           SELECT ${keyColumns(table, "t", q)} FROM ${table.sql} t
            WHERE ${range} AND ${empty} FOR NO KEY UPDATE SKIP LOCKED)
         ${set} FROM free WHERE (${keyColumns(table, "t", q)}) = (${keyColumns(table, "free", q)})`;
    },
    mend: { from: `${table.sql} t`, where: empty, values: [value], isFilling: false },
    old: [],
    rejected: "false",
    rejects: undefined,
    audits: [
      {
        problem: `have no ${sync.new}`,
        where: empty,
        way: "give these rows a value, or npm run migrations -- audit --repair gives them the default",
      },
    ],
    suspect: empty,
    constraints: [],
    contract: { prepare: [], release: [], archive: [] },
  };
}
