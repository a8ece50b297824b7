import type { Client } from "pg";
import { oldColumnsOf, type Sync, syncOf } from "../files/syncFile";
import type { Migration } from "../files/migration";
import { keyColumns, type LiveSync } from "../sync/liveSync";
import { syncTagOf } from "../sync/syncNames";

/**
 * The same sync the other way round: its fill brings old columns up to date from the new ones. The
 * archived value stays where it still says what the new columns say; elsewhere they are written
 * from them.
 */
export function reversed(client: Client, migration: Migration, live: LiveSync): LiveSync {
  const sync = syncOf(migration)?.sync;
  if (sync === undefined || sync.kind === "fill") return live;
  const q = (name: string): string => client.escapeIdentifier(name);
  const { table } = live;
  const { values, wrong } =
    sync.kind === "columns"
      ? columnsBack(sync, syncTagOf(migration), q)
      : lookupBack(sync, live.locked[0]?.sql ?? "", q);
  return {
    ...live,
    filled: oldColumnsOf(sync),
    fill: (range, skipLocked) => {
      const set = `UPDATE ${table.sql} t SET (${oldColumnsOf(sync).map(q).join(", ")}) = ROW(${values.join(", ")})`;
      if (!skipLocked) return `${set} WHERE ${range} AND ${wrong}`;
      return `WITH free AS MATERIALIZED (
           SELECT ${keyColumns(table, "t", q)} FROM ${table.sql} t
            WHERE ${range} AND ${wrong} FOR NO KEY UPDATE SKIP LOCKED)
         ${set} FROM free WHERE (${keyColumns(table, "t", q)}) = (${keyColumns(table, "free", q)})`;
    },
    // A trigger would look the name up that is written, and find none if it has just been changed.
    mend: { from: `${table.sql} t`, where: wrong, values, isFilling: true },
  };
}

interface Back {
  /** What the old columns of a row of `t` are to hold, each as SQL. */
  readonly values: readonly string[];
  /** A condition on `t`: the old side does not say what the new one says, and can. */
  readonly wrong: string;
}

function columnsBack(
  sync: Extract<Sync, { kind: "columns" }>,
  tag: string,
  q: (name: string) => string,
): Back {
  const own = (part: string): string => `stateful_cd.${q(`sync_${tag}${part}`)}`;
  const list = (columns: readonly string[]): string =>
    columns.map((name) => `t.${q(name)}`).join(", ");
  const back = sync.old.map((_, index) => `${own(`_reverse_${index + 1}`)}(${list(sync.new)})`);
  const forward = (of: string): string =>
    `ROW(${sync.new.map((_, index) => `${own(`_forward_${index + 1}`)}(${of})`).join(", ")})`;
  const news = `ROW(${list(sync.new)})`;
  return {
    values: back,
    wrong: `${forward(list(sync.old))} IS DISTINCT FROM ${news}
            AND ${forward(back.join(", "))} IS NOT DISTINCT FROM ${news}`,
  };
}

/** @param target what is referred to, as SQL */
function lookupBack(
  sync: Extract<Sync, { kind: "lookup" }>,
  target: string,
  q: (name: string) => string,
): Back {
  const found = `SELECT r.${q(sync.references.name)} FROM ${target} r
      WHERE r.${q(sync.references.id)} = t.${q(sync.id)}`;
  return {
    values: [`(${found})`],
    // A name that no row has says the same as no id at all.
    wrong: `t.${q(sync.name)} IS DISTINCT FROM (${found})
            AND (t.${q(sync.id)} IS NOT NULL
                 OR EXISTS (SELECT FROM ${target} r
                             WHERE r.${q(sync.references.name)} = t.${q(sync.name)}))`,
  };
}
