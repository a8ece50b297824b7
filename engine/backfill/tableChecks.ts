import type { Client } from "pg";
import type { LiveSync } from "../sync/liveSync";

/** One thing that an audit has looked at. */
export interface AuditCheck {
  /** wrong: it must not be; note: worth knowing, and none of the sync's affair. */
  readonly verdict: "ok" | "wrong" | "note";
  /** For people, a sentence without its full stop. */
  readonly what: string;
  readonly rows: readonly string[];
  /** Of what is wrong: what sets it right. */
  readonly way?: string;
}

interface SequenceUse {
  sequence: string;
  shown: string;
  column: string;
  isRising: boolean;
  table: string;
  place: string;
}

/**
 * Whether what sequences give next is free in the columns whose default they are. Ids that were
 * written past a sequence, as restores and replication do, let a later insert fail.
 * @param client in a snapshot
 */
export async function sequenceChecks(client: Client, live: LiveSync): Promise<AuditCheck[]> {
  const { rows } = await client.query<SequenceUse>(sequencesQuery, [tablesOf(live)]);
  const checks: AuditCheck[] = [];
  for (const { sequence, shown, column, isRising, table, place } of rows) {
    const extreme = `${isRising ? "max" : "min"}(${column})`;
    const { rows: found } = await client.query<{
      next: string;
      passed: string | null;
      bad: boolean;
    }>(
      `SELECT next::text, passed::text, coalesce(next ${isRising ? "<=" : ">="} passed, false) AS bad
         FROM (SELECT s.last_value::numeric + CASE WHEN s.is_called THEN q.seqincrement ELSE 0 END AS next,
                      (SELECT ${extreme} FROM ${table})::numeric AS passed
                 FROM ${sequence} s, pg_sequence q WHERE q.seqrelid = $1::regclass) x`,
      [sequence],
    );
    const [{ next, passed, bad } = { next: "", passed: null, bad: false }] = found;
    checks.push({
      verdict: bad ? "wrong" : "ok",
      what: `The sequence ${shown} gives ${next} next, and ${place} holds ${passed ?? "nothing"}`,
      rows: [],
      ...(bad ? { way: `SELECT setval('${sequence}', ${passed ?? ""})` } : {}),
    });
  }
  return checks;
}

/** Sequences in the defaults of the tables' columns, and those of identity columns. */
const sequencesQuery = `
  SELECT DISTINCT format('%I.%I', sn.nspname, s.relname) AS sequence,
         sn.nspname || '.' || s.relname AS shown, quote_ident(a.attname) AS column,
         q.seqincrement > 0 AS "isRising", format('%I.%I', n.nspname, c.relname) AS table,
         n.nspname || '.' || c.relname || '.' || a.attname AS place
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
                     OR p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass
                        AND p.refobjid = c.oid AND p.refobjsubid = a.attnum AND p.deptype = 'i'
    JOIN pg_class s ON s.relkind = 'S'
                    AND s.oid = CASE WHEN p.deptype = 'i' THEN p.objid ELSE p.refobjid END
    JOIN pg_namespace sn ON sn.oid = s.relnamespace
    JOIN pg_sequence q ON q.seqrelid = s.oid AND NOT q.seqcycle
   WHERE c.oid = ANY ($1::text[]::regclass[])
     AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
   ORDER BY 1, 3`;

/**
 * Constraints that were never proved and indexes whose build failed: of the tables, not of the sync.
 * @param client in a snapshot
 */
export async function tableNotes(client: Client, live: LiveSync): Promise<AuditCheck[]> {
  const own = live.constraints.map(({ name }) => name);
  const { rows } = await client.query<{ what: string }>(
    `SELECT format('The constraint %I of %s was never validated', conname, conrelid::regclass) AS what
       FROM pg_constraint
      WHERE conrelid = ANY ($1::text[]::regclass[]) AND NOT convalidated AND conname <> ALL ($2)
     UNION ALL
     SELECT format('The index %s of %s is invalid', indexrelid::regclass, indrelid::regclass)
       FROM pg_index WHERE indrelid = ANY ($1::text[]::regclass[]) AND NOT indisvalid
      ORDER BY 1`,
    [tablesOf(live), own],
  );
  return rows.map(({ what }) => ({ verdict: "note", what, rows: [] }));
}

function tablesOf({ locked }: LiveSync): string[] {
  return locked.map(({ sql }) => sql);
}
