import type { Client } from "pg";
import type { Migration } from "../files/migration";
import { oldWritesOf, syncTagOf, syncTriggerPrefix } from "./syncNames";

/** What a sync has put into a database, found by its names in the catalog. */
export interface SyncRemains {
  /** Tables with triggers or constraints of the sync, quoted. */
  readonly tables: readonly string[];
  /** Removes all of it, in an order that passes. */
  readonly statements: readonly string[];
}

/** Finds what a sync has made, also where sync.yaml cannot be followed any more. */
export async function findSyncRemains(client: Client, migration: Migration): Promise<SyncRemains> {
  const tag = syncTagOf(migration);
  const { rows } = await client.query<{ place: string | null; statement: string }>(
    `WITH remains AS (
       SELECT 1 AS turn, c.conrelid AS tableid,
              format('ALTER TABLE %s DROP CONSTRAINT %I', place.name, c.conname) AS statement
         FROM pg_constraint c, LATERAL (SELECT format('%I.%I', n.nspname, r.relname) AS name
                FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
               WHERE r.oid = c.conrelid) place
        WHERE c.conname::text = ANY (ARRAY['stateful_cd_' || $1 || '_fkey', 'stateful_cd_' || $1 || '_not_null'])
       UNION ALL
       SELECT 2, t.tgrelid, format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, r.relname)
         FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE NOT t.tgisinternal AND starts_with(t.tgname::text, $2 || $1 || '_')
       UNION ALL
       SELECT 3, i.indrelid, format('DROP INDEX %I.%I', n.nspname, r.relname)
         FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE r.relname::text = ANY (ARRAY['stateful_cd_' || $1 || '_key', 'stateful_cd_' || $1 || '_name_key'])
       UNION ALL
       SELECT 4, NULL, format('DROP FUNCTION stateful_cd.%I(%s)', p.proname,
                              pg_get_function_identity_arguments(p.oid))
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'stateful_cd'
          AND (p.proname = 'sync_' || $1 OR starts_with(p.proname::text, 'sync_' || $1 || '_'))
       UNION ALL
       SELECT 5, NULL, format('DROP SEQUENCE stateful_cd.%I', r.relname)
         FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE n.nspname = 'stateful_cd' AND r.relkind = 'S' AND r.relname = $3)
     SELECT statement, (SELECT format('%I.%I', n.nspname, r.relname) FROM pg_class r
                          JOIN pg_namespace n ON n.oid = r.relnamespace WHERE r.oid = tableid) AS place
       FROM remains ORDER BY turn, statement`,
    [tag, syncTriggerPrefix, oldWritesOf(tag)],
  );
  const places = rows.flatMap(({ place }) => (place === null ? [] : [place]));
  return { tables: [...new Set(places)].sort(), statements: rows.map((row) => row.statement) };
}
