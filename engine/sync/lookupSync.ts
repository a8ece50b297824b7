import type { Quoting } from "./quoting";
import { keyColumns, type LiveSync, trustsOldSide } from "./liveSync";
import { archivedName, cutName, isFilling, oldWritesOf, syncTriggerPrefix } from "./syncNames";
import type { LookupSync } from "../files/syncFile";
import type { SyncTable } from "./syncTable";

/**
 * A row that names a row of another table, and refers to it by id. A composite foreign key with
 * ON UPDATE CASCADE holds the two together: a rename on either side reaches every row. It is added
 * when the rows are filled; until then, while nobody reads an id yet, the triggers do what they
 * can, and what slips past them is mended under the key (docs/decisions/dual-write.md).
 *
 * The functions run as their owner, as PostgreSQL's own foreign keys do: whoever may write the one
 * table need not be allowed to lock rows of the other.
 */
export function lookupSync(
  sync: LookupSync,
  { table, target }: { table: SyncTable; target: SyncTable },
  migration: string,
  tag: string,
  { name: q, text }: Quoting,
): LiveSync {
  const [id, name] = [q(sync.id), q(sync.name)];
  const [targetId, targetName] = [q(sync.references.id), q(sync.references.name)];
  const own = (part: string): string => `stateful_cd.${q(`sync_${tag}${part}`)}`;
  const trigger = (part: string): string => q(`${syncTriggerPrefix}${tag}_${part}`);
  const triggers = [
    ...["insert", "update"].map((part) => ({ table: table.sql, part })),
    ...["adopt_insert", "adopt_update"].map((part) => ({ table: target.sql, part })),
  ];
  const oldWrites = `stateful_cd.${q(oldWritesOf(tag))}`;
  const both = `stateful_cd_${tag}_fkey`;
  const notNull = `stateful_cd_${tag}_not_null`;
  const byIdAndName = `stateful_cd_${tag}_key`;
  const byName = `stateful_cd_${tag}_name_key`;
  const plainName = cutName(`${table.name}_${sync.id}_fkey`);
  const isUnique = (columns: readonly string[]): boolean =>
    target.unique.some((unique) => sameSet(unique, columns));
  const keyMoved = `ROW(${table.key.map((key) => `OLD.${q(key.name)}`).join(", ")})
       IS DISTINCT FROM ROW(${table.key.map((key) => `NEW.${q(key.name)}`).join(", ")})`;

  const body = `
DECLARE
  found_id ${table.columns.find((column) => column.name === sync.id)?.type ?? "bigint"};
  found_name ${table.columns.find((column) => column.name === sync.name)?.type ?? "text"};
  id_written boolean := NEW.${id} IS NOT NULL;
  name_written boolean := NEW.${name} IS NOT NULL;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    id_written := id_written AND OLD.${id} IS DISTINCT FROM NEW.${id};
    name_written := OLD.${name} IS DISTINCT FROM NEW.${name};
  END IF;
  -- Deeper down it is a rename that cascades: nobody has written the name here.
  IF name_written AND pg_catalog.pg_trigger_depth() = 1 THEN
    PERFORM pg_catalog.nextval(${text(oldWrites)});
  END IF;
  IF id_written THEN
    SELECT r.${targetName} INTO found_name FROM ${target.sql} r
     WHERE r.${targetId} = NEW.${id} FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', TABLE = ${text(table.name)}, SCHEMA = ${text(table.schema)},
        CONSTRAINT = ${text(plainName)},
        MESSAGE = format(${text(`there is no row of ${target.shown} with ${sync.references.id} %s`)}, NEW.${id});
    END IF;
    IF name_written AND found_name IS DISTINCT FROM NEW.${name} THEN
      INSERT INTO stateful_cd.sync_conflicts (migration, written)
      VALUES (${text(migration)}, jsonb_build_object(${text(sync.id)}, NEW.${id}, ${text(sync.name)}, NEW.${name}));
    END IF;
    NEW.${name} := found_name;
  ELSE
    SELECT r.${targetId} INTO found_id FROM ${target.sql} r
     WHERE r.${targetName} = NEW.${name} FOR KEY SHARE;
    NEW.${id} := found_id;
  END IF;
  RETURN NEW;
END`;
  // A row that has no id yet follows a rename by its name, as does one with it as long as there is no
  // foreign key that takes it along; one whose name appears is adopted.
  const adoptBody = `
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE ${table.sql} SET ${id} = NEW.${targetId}, ${name} = NEW.${targetName}
     WHERE ${name} = OLD.${targetName} AND (${id} IS NULL OR ${id} = OLD.${targetId});
  END IF;
  UPDATE ${table.sql} SET ${id} = NEW.${targetId}
   WHERE ${name} = NEW.${targetName} AND ${id} IS NULL;
  RETURN NULL;
END`;
  const definer = (part: string, source: string): string =>
    `CREATE FUNCTION ${own(part)}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
       SET search_path = pg_catalog, pg_temp AS ${text(source)}`;
  const mismatch = `NOT EXISTS (SELECT FROM ${target.sql} r
      WHERE r.${targetId} = t.${id} AND r.${targetName} IS NOT DISTINCT FROM t.${name})`;
  const rejected = `t.${name} IS NOT NULL AND t.${id} IS NULL`;
  const wasNotNull =
    sync.rejects === "block" &&
    (table.columns.find((column) => column.name === sync.name)?.notNull ?? false);
  const join = `${table.sql} t LEFT JOIN ${target.sql} r ON r.${targetName} = t.${name}`;
  const disagrees = `t.${id} IS DISTINCT FROM r.${targetId}`;

  return {
    table,
    summary: `${table.shown}: ${sync.name} <-> ${sync.id}, by ${target.shown} (${sync.references.name}, ${sync.references.id})`,
    // The order in which a rename takes them.
    locked: [target, table],
    indexes: [
      ...(isUnique([sync.references.name])
        ? []
        : [{ table: target, name: byName, isUnique: true, elements: [targetName] }]),
      { table: target, name: byIdAndName, isUnique: true, elements: [targetId, targetName] },
    ],
    laterIndexes: Object.entries(sync.indexes).map(([index, elements]) => ({
      table,
      name: index,
      isUnique: false,
      elements,
    })),
    uninstall: [
      `ALTER TABLE ${table.sql} DROP CONSTRAINT IF EXISTS ${q(both)}`,
      ...triggers.map((on) => `DROP TRIGGER IF EXISTS ${trigger(on.part)} ON ${on.table}`),
      `DROP FUNCTION IF EXISTS ${own("")}`,
      `DROP FUNCTION IF EXISTS ${own("_adopt")}`,
      `DROP SEQUENCE IF EXISTS ${oldWrites}`,
    ],
    install: [
      `CREATE SEQUENCE ${oldWrites}`,
      definer("", body),
      definer("_adopt", adoptBody),
      `CREATE TRIGGER ${trigger("insert")} BEFORE INSERT ON ${table.sql} FOR EACH ROW
         EXECUTE FUNCTION ${own("")}()`,
      // Not for every row without an id: that would lock the other table where nobody expects it.
      `CREATE TRIGGER ${trigger("update")} BEFORE UPDATE ON ${table.sql} FOR EACH ROW
         WHEN ((OLD.${name} IS DISTINCT FROM NEW.${name} OR OLD.${id} IS DISTINCT FROM NEW.${id})
               AND NOT ${isFilling}
               OR NEW.${id} IS NULL AND ${keyMoved}) EXECUTE FUNCTION ${own("")}()`,
      `CREATE TRIGGER ${trigger("adopt_insert")} AFTER INSERT ON ${target.sql} FOR EACH ROW
         EXECUTE FUNCTION ${own("_adopt")}()`,
      `CREATE TRIGGER ${trigger("adopt_update")} AFTER UPDATE ON ${target.sql} FOR EACH ROW
         WHEN (OLD.${targetName} IS DISTINCT FROM NEW.${targetName}
               OR OLD.${targetId} IS DISTINCT FROM NEW.${targetId})
         EXECUTE FUNCTION ${own("_adopt")}()`,
    ],
    triggers: triggers.map((on) => ({
      table: on.table,
      name: `${syncTriggerPrefix}${tag}_${on.part}`,
    })),
    calledByWriters: [],
    filled: [sync.id],
    touches: sync.touches,
    workers: sync.workers,
    pace: sync.pace,
    fill: (range, skipLocked) => {
      const found = `r.${targetName} = t.${name} AND ${disagrees}`;
      if (!skipLocked) {
        return `UPDATE ${table.sql} t SET ${id} = r.${targetId} FROM ${target.sql} r WHERE ${range} AND ${found}`;
      }
      return `WITH free AS MATERIALIZED (
                SELECT ${keyColumns(table, "t", q)}, r.${targetId} AS stateful_cd_id
                  FROM ${table.sql} t JOIN ${target.sql} r ON ${found}
                 WHERE ${range} FOR NO KEY UPDATE OF t SKIP LOCKED)
         UPDATE ${table.sql} t SET ${id} = free.stateful_cd_id FROM free
          WHERE (${keyColumns(table, "t", q)}) = (${keyColumns(table, "free", q)})`;
    },
    mend: { from: join, where: disagrees, values: [`r.${targetId}`], isFilling: false },
    old: [sync.name],
    rejected,
    rejects: sync.rejects,
    audits: [
      {
        problem: `name another row of ${target.shown} than they refer to`,
        where: `t.${id} IS NOT NULL AND ${mismatch}`,
        way: trustsOldSide,
      },
      {
        problem: `have no ${sync.id}, though ${target.shown} has a row of their name`,
        where: `${rejected} AND EXISTS (SELECT FROM ${target.sql} r WHERE r.${targetName} = t.${name})`,
        way: trustsOldSide,
      },
      ...(sync.rejects === "block"
        ? [
            {
              problem: `name no row of ${target.shown}`,
              where: rejected,
              way: `correct their ${sync.name}, or give ${target.shown} a row of that name`,
            },
          ]
        : []),
    ],
    // The join finds both kinds of disagreement at once: there is one row of a name.
    suspect: sync.rejects === "block" ? `${disagrees} OR ${rejected}` : disagrees,
    constraints: [
      {
        table: table.sql,
        name: both,
        definition: `FOREIGN KEY (${id}, ${name})
          REFERENCES ${target.sql} (${targetId}, ${targetName}) ON UPDATE CASCADE`,
      },
    ],
    contract: {
      prepare: [
        {
          table: table.sql,
          constraint: plainName,
          add: `FOREIGN KEY (${id}) REFERENCES ${target.sql} (${targetId})`,
        },
        ...(wasNotNull
          ? [{ table: table.sql, constraint: notNull, add: `CHECK (${id} IS NOT NULL)` }]
          : []),
      ],
      release: [
        ...[byIdAndName, byName].map(
          (index) => `DROP INDEX IF EXISTS ${q(target.schema)}.${q(index)}`,
        ),
        // The valid check spares SET NOT NULL its scan.
        ...(wasNotNull
          ? [
              `ALTER TABLE ${table.sql} ALTER COLUMN ${id} SET NOT NULL`,
              `ALTER TABLE ${table.sql} DROP CONSTRAINT ${q(notNull)}`,
            ]
          : []),
        `ALTER TABLE ${table.sql} ALTER COLUMN ${name} DROP NOT NULL`,
      ],
      archive: [`ALTER TABLE ${table.sql} RENAME COLUMN ${name} TO ${q(archivedName(sync.name))}`],
    },
  };
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
