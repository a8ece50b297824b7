import { contractOf } from "./columnContract";
import { expressionFunctions } from "./expressions";
import type { LiveSync, SyncAudit } from "./liveSync";
import { keyColumns, trustsOldSide } from "./liveSync";
import { oldWritesOf, syncTriggerPrefix } from "./syncNames";
import { plainDefault } from "./sameValue";
import type { ColumnSync } from "../files/syncFile";
import type { Quoting } from "./quoting";
import type { SyncTable } from "./syncTable";

/**
 * Old and new columns of one row. The invariant is `forward(old) IS NOT DISTINCT FROM new`: where
 * it holds the triggers do nothing, so neither the backfill nor an application that saves every
 * column again touches an old spelling.
 */
export function columnSync(
  sync: ColumnSync,
  table: SyncTable,
  migration: string,
  tag: string,
  quote: Quoting,
): LiveSync {
  const { name: q, text } = quote;
  const triggers = ["insert", "update"].map((event) => `${syncTriggerPrefix}${tag}_${event}`);
  const [onInsert = "", onUpdate = ""] = triggers.map(q);
  const own = (part: string): string => `stateful_cd.${q(`sync_${tag}${part}`)}`;
  const list = (row: string, columns: readonly string[]): string =>
    columns.map((name) => `${row}.${q(name)}`).join(", ");
  const functions = expressionFunctions(sync, table, own, quote);
  const { reverse } = functions;
  const forward = (row: string): string[] =>
    functions.forward.map((name) => `${name}(${list(row, sync.old)})`);
  const oldWrites = `stateful_cd.${q(oldWritesOf(tag))}`;
  const disagrees = (row: string): string =>
    `ROW(${forward(row).join(", ")}) IS DISTINCT FROM ROW(${list(row, sync.new)})`;
  const differ = (columns: readonly string[]): string =>
    `ROW(${list("OLD", columns)}) IS DISTINCT FROM ROW(${list("NEW", columns)})`;
  const isEmpty = (row: string, columns: readonly string[]): string =>
    `num_nonnulls(${list(row, columns)}) = 0`;

  /** What an insert has left out is its default; where a kind allows none that is NULL. */
  const defaultOf = (column: string): string => {
    const found = table.columns.find(({ name }) => name === column);
    return (found && plainDefault(found)) ?? "NULL";
  };
  const isGiven = (columns: readonly string[]): string =>
    `ROW(${list("NEW", columns)}) IS DISTINCT FROM ROW(${columns.map(defaultOf).join(", ")})`;

  const assignReverse = sync.old
    .map(
      (column, index) => `NEW.${q(column)} := ${reverse[index] ?? ""}(${list("NEW", sync.new)});`,
    )
    .join("\n    ");
  const assignForward = forward("NEW")
    .map((call, index) => `NEW.${q(sync.new[index] ?? "")} := ${call};`)
    .join("\n    ");
  // Runs as its owner: a writer needs no right on the journal, nor on a schema of the expressions.
  const body = `
DECLARE
  old_written boolean;
  new_written boolean;
BEGIN
  IF TG_OP = 'INSERT' THEN
    old_written := ${isGiven(sync.old)};
    new_written := ${isGiven(sync.new)};
  ELSE
    old_written := ${differ(sync.old)};
    new_written := ${differ(sync.new)};
  END IF;
  IF old_written THEN
    PERFORM pg_catalog.nextval(${text(oldWrites)});
  END IF;
  IF old_written AND new_written THEN
    INSERT INTO stateful_cd.sync_conflicts (migration, written)
    VALUES (${text(migration)}, jsonb_build_object(${[...sync.old, ...sync.new]
      .map((name) => `${text(name)}, NEW.${q(name)}`)
      .join(", ")}));
  END IF;
  IF new_written THEN
    ${assignReverse}
    IF ${disagrees("NEW")} THEN
      RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = ${text(table.name)}, SCHEMA = ${text(table.schema)},
        CONSTRAINT = ${text(`stateful_cd_${tag}`)},
        MESSAGE = ${text(`these values of ${sync.new.join(", ")} would not come back from ${sync.old.join(", ")}`)};
    END IF;
  ELSE
    ${assignForward}
  END IF;
  RETURN NEW;
END`;
  const install = [
    `CREATE SEQUENCE ${oldWrites}`,
    ...functions.create,
    ...functions.forward.map((name) => `GRANT EXECUTE ON FUNCTION ${name} TO PUBLIC`),
    `CREATE FUNCTION ${own("")}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
       SET search_path = pg_catalog, pg_temp AS ${text(body)}`,
    `CREATE TRIGGER ${onInsert} BEFORE INSERT ON ${table.sql} FOR EACH ROW
       WHEN (${disagrees("NEW")}) EXECUTE FUNCTION ${own("")}()`,
    // No list of columns: another trigger may change one in an update that names others.
    `CREATE TRIGGER ${onUpdate} BEFORE UPDATE ON ${table.sql} FOR EACH ROW
       WHEN ((${differ(sync.old)} OR ${differ(sync.new)} OR ${isEmpty("NEW", sync.new)})
             AND ${disagrees("NEW")}) EXECUTE FUNCTION ${own("")}()`,
  ];
  const uninstall = [
    ...triggers.map((name) => `DROP TRIGGER IF EXISTS ${q(name)} ON ${table.sql}`),
    ...[own(""), ...reverse, ...functions.forward].map((name) => `DROP FUNCTION IF EXISTS ${name}`),
    `DROP SEQUENCE IF EXISTS ${oldWrites}`,
  ];
  const rejected = `NOT ${isEmpty("t", sync.old)} AND num_nonnulls(${forward("t").join(", ")}) = 0`;
  const backwards = reverse.map((name) => `${name}(${list("t", sync.new)})`);
  const roundTrip = functions.forward.map((name) => `${name}(${backwards.join(", ")})`);
  const strange = `NOT ${isEmpty("t", sync.new)}
         AND ROW(${roundTrip.join(", ")}) IS DISTINCT FROM ROW(${list("t", sync.new)})`;
  const audits: SyncAudit[] = [
    {
      problem: "disagree between the old and the new columns",
      where: disagrees("t"),
      way: trustsOldSide,
    },
    {
      problem: `hold new values that do not come back from ${sync.old.join(", ")}`,
      where: strange,
      way: `correct these rows' ${sync.new.join(", ")}`,
    },
  ];
  let suspect = `${disagrees("t")} OR ${strange}`;
  if (sync.rejects === "block") {
    audits.push({
      problem: "do not convert",
      where: rejected,
      way: `correct these rows' ${sync.old.join(", ")}`,
    });
    // Of a row that agrees, which spares converting it once more.
    suspect += ` OR NOT ${isEmpty("t", sync.old)} AND ${isEmpty("t", sync.new)}`;
  }
  return {
    table,
    summary: `${table.shown}: ${sync.old.join(", ")} <-> ${sync.new.join(", ")}`,
    locked: [table],
    indexes: [],
    laterIndexes: Object.entries(sync.indexes).map(([index, elements]) => ({
      table,
      name: index,
      isUnique: false,
      elements,
    })),
    uninstall,
    install,
    triggers: triggers.map((name) => ({ table: table.sql, name })),
    calledByWriters: functions.forward,
    filled: sync.new,
    touches: sync.touches,
    workers: sync.workers,
    pace: sync.pace,
    fill: (range, skipLocked) => {
      const set = `UPDATE ${table.sql} t SET (${sync.new.map(q).join(", ")}) = ROW(${forward("t").join(", ")})`;
      if (!skipLocked) return `${set} WHERE ${range} AND ${disagrees("t")}`;
      const free = `SELECT ${keyColumns(table, "t", q)} FROM ${table.sql} t
        WHERE ${range} AND ${disagrees("t")} FOR NO KEY UPDATE SKIP LOCKED`;
      return `WITH free AS MATERIALIZED (${free}) ${set} FROM free
          WHERE (${keyColumns(table, "t", q)}) = (${keyColumns(table, "free", q)})`;
    },
    mend: {
      from: `${table.sql} t`,
      where: disagrees("t"),
      values: forward("t"),
      isFilling: false,
    },
    old: sync.old,
    rejected,
    rejects: sync.rejects,
    audits,
    suspect,
    constraints: [],
    contract: contractOf(sync, table, tag, q),
  };
}
