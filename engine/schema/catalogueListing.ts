/**
 * What a schema is, as rows (object, part, definition): part is empty for the object itself.
 * Names, never OIDs; to be read with search_path = pg_catalog so that every name is qualified.
 * Left out: what belongs to an extension, system schemas, temporary objects, the journal, owners,
 * physical column order, comments, text search, operators and casts; and a column that contract has
 * archived, with all that goes when it is dropped, so that a schema stays what it is on that day.
 * @param hasArchives whether the journal is one that keeps archives
 */
export function catalogueListing(hasArchives: boolean): string {
  return `
WITH archived AS (${hasArchives ? archivedColumns : noColumns}),
with_archived AS (
  SELECT d.classid, d.objid FROM pg_depend d JOIN archived a
      ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
   WHERE d.deptype IN ('a', 'i')),
gone AS (
  SELECT * FROM with_archived
  UNION ALL
  SELECT d.classid, d.objid FROM pg_depend d JOIN with_archived w
      ON d.refclassid = w.classid AND d.refobjid = w.objid
   WHERE d.deptype = 'i' AND w.classid = 'pg_constraint'::regclass),
schemas AS (
  SELECT oid, nspname, nspacl, nspowner, quote_ident(nspname) AS name FROM pg_namespace
   WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'stateful_cd')
     AND nspname !~ '^pg_(temp|toast_temp)_'),
from_extension AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relations AS (
  SELECT c.*, s.name || '.' || quote_ident(c.relname) AS name,
         CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view'
           WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence'
           WHEN 'c' THEN 'type' ELSE 'index' END || ' ' || s.name || '.' || quote_ident(c.relname) AS object
    FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
     AND (('pg_class'::regclass, c.oid) NOT IN (SELECT * FROM from_extension UNION ALL SELECT * FROM gone))),
routines AS (
  SELECT p.*, CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END
              || ' ' || s.name || '.' || quote_ident(p.proname)
              || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS object
    FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
   WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM pg_depend
           WHERE deptype = 'e' OR deptype = 'i' AND refclassid = 'pg_type'::regclass)),
types AS (
  SELECT t.*, 'type ' || s.name || '.' || quote_ident(t.typname) AS object
    FROM pg_type t JOIN schemas s ON s.oid = t.typnamespace
   WHERE t.typtype IN ('e', 'd', 'r')
     AND ('pg_type'::regclass, t.oid) NOT IN (SELECT * FROM from_extension)),
acls AS (
  SELECT 'schema ' || name AS object, '' AS prefix, nspowner AS owner,
         coalesce(nspacl, acldefault('n', nspowner)) AS acl FROM schemas
  UNION ALL
  SELECT object, '', relowner,
         coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM relations WHERE relkind <> 'c'
  UNION ALL
  SELECT r.object, 'column ' || quote_ident(a.attname) || ' ', r.relowner, a.attacl
    FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
   WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped
     AND (a.attrelid, a.attnum) NOT IN (SELECT * FROM archived)
  UNION ALL
  SELECT object, '', proowner, coalesce(proacl, acldefault('f', proowner)) FROM routines
  UNION ALL
  SELECT object, '', typowner, coalesce(typacl, acldefault('T', typowner)) FROM types)
SELECT 'extension ' || quote_ident(extname) AS object, '' AS part,
       'in ' || extnamespace::regnamespace::text AS definition
  FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL
SELECT 'schema ' || name, '', '' FROM schemas
UNION ALL
SELECT r.object, '', concat_ws(' ',
         CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
         CASE WHEN r.relkind = 'p' THEN 'partitioned by ' || pg_get_partkeydef(r.oid) END,
         (SELECT string_agg('child of ' || i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
            FROM pg_inherits i WHERE i.inhrelid = r.oid),
         pg_get_expr(r.relpartbound, r.oid),
         CASE WHEN r.relrowsecurity THEN 'row security' END,
         CASE WHEN r.relforcerowsecurity THEN 'forced row security' END,
         CASE WHEN r.relkind IN ('r', 'p') THEN CASE r.relreplident WHEN 'f' THEN 'replica identity full' WHEN 'n' THEN 'replica identity nothing'
           WHEN 'i' THEN 'replica identity index' END END,
         'with ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.reloptions) o),
         CASE WHEN r.relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid) END)
  FROM relations r WHERE r.relkind <> 'S'
UNION ALL
SELECT r.object, '', concat_ws(' ', format_type(q.seqtypid, NULL), 'start', q.seqstart,
         'by', q.seqincrement, 'from', q.seqmin, 'to', q.seqmax, CASE WHEN q.seqcycle THEN 'cycle' END,
         (SELECT 'owned by ' || d.refobjid::regclass::text || '.' || quote_ident(a.attname)
            FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
           WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i') LIMIT 1))
  FROM relations r JOIN pg_sequence q ON q.seqrelid = r.oid
UNION ALL
SELECT r.object, 'column ' || quote_ident(a.attname), concat_ws(' ',
         format_type(a.atttypid, a.atttypmod),
         CASE WHEN a.attcollation <> t.typcollation
           THEN 'collate ' || (SELECT quote_ident(collname) FROM pg_collation WHERE oid = a.attcollation) END,
         CASE WHEN a.attnotnull THEN 'not null' END,
         CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
         CASE a.attgenerated WHEN 's' THEN 'generated stored' WHEN 'v' THEN 'generated virtual' END
           || ' ' || pg_get_expr(d.adbin, d.adrelid),
         CASE WHEN a.attgenerated = '' THEN 'default ' || pg_get_expr(d.adbin, d.adrelid) END)
  FROM relations r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
 WHERE r.relkind <> 'S' AND (a.attrelid, a.attnum) NOT IN (SELECT * FROM archived)
UNION ALL
SELECT r.object, 'constraint ' || quote_ident(c.conname),
       pg_get_constraintdef(c.oid) || CASE WHEN c.convalidated THEN '' ELSE ' (not validated)' END
  FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid
 WHERE c.contype <> 'n' AND ('pg_constraint'::regclass, c.oid) NOT IN (SELECT * FROM gone)
UNION ALL
SELECT r.object, 'index ' || quote_ident(x.relname),
       pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
         || CASE WHEN i.indisclustered THEN ' (clustered)' ELSE '' END
         || CASE WHEN i.indisreplident THEN ' (replica identity)' ELSE '' END
  FROM relations r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class x ON x.oid = i.indexrelid
 WHERE ('pg_class'::regclass, x.oid) NOT IN (SELECT * FROM gone)
UNION ALL
SELECT r.object, 'trigger ' || quote_ident(t.tgname), pg_get_triggerdef(t.oid)
         || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' (disabled)'
              WHEN 'A' THEN ' (always)' ELSE ' (replica)' END
  FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
UNION ALL
SELECT r.object, 'rule ' || quote_ident(w.rulename),
       pg_get_ruledef(w.oid) || CASE w.ev_enabled WHEN 'O' THEN '' ELSE ' (' || w.ev_enabled::text || ')' END
  FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT r.object, 'policy ' || quote_ident(p.polname), concat_ws(' ',
         CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, 'for ' || p.polcmd::text,
         'to ' || (SELECT string_agg(coalesce(a.rolname, 'public'), ', ' ORDER BY a.rolname)
                     FROM unnest(p.polroles) o LEFT JOIN pg_roles a ON a.oid = o),
         'using ' || pg_get_expr(p.polqual, p.polrelid),
         'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
  FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT r.object, 'statistics ' || quote_ident(e.stxname), pg_get_statisticsobjdef(e.oid)
  FROM relations r JOIN pg_statistic_ext e ON e.stxrelid = r.oid
 WHERE ('pg_statistic_ext'::regclass, e.oid) NOT IN (SELECT * FROM gone)
UNION ALL
SELECT object, '', CASE WHEN prokind = 'a' THEN
           (SELECT concat_ws(' ', g.aggtransfn, format_type(g.aggtranstype, NULL), g.aggfinalfn, g.agginitval)
              FROM pg_aggregate g WHERE g.aggfnoid = routines.oid)
         ELSE pg_get_functiondef(oid) END FROM routines
UNION ALL
SELECT object, '', CASE typtype
    WHEN 'e' THEN 'enum ' || coalesce((SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                                         FROM pg_enum WHERE enumtypid = t.oid), '')
    WHEN 'r' THEN 'range of ' || (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = t.oid)
    ELSE concat_ws(' ', 'domain over ' || format_type(typbasetype, typtypmod),
                   CASE WHEN typnotnull THEN 'not null' END, 'default ' || typdefault) END
  FROM types t
UNION ALL
SELECT t.object, 'constraint ' || quote_ident(c.conname), pg_get_constraintdef(c.oid)
  FROM types t JOIN pg_constraint c ON c.contypid = t.oid WHERE c.contype <> 'n'
UNION ALL
SELECT 'event trigger ' || quote_ident(evtname), '', concat_ws(' ', evtevent, evtfoid::regproc::text,
         'when ' || evttags::text, 'enabled ' || evtenabled::text) FROM pg_event_trigger
 WHERE ('pg_event_trigger'::regclass, oid) NOT IN (SELECT * FROM from_extension)
UNION ALL
SELECT 'publication ' || quote_ident(p.pubname), '', concat_ws(' ',
         CASE WHEN p.puballtables THEN 'all tables' END,
         (SELECT string_agg(r.name, ', ' ORDER BY r.name) FROM pg_publication_rel m
            JOIN relations r ON r.oid = m.prrelid WHERE m.prpubid = p.oid)) FROM pg_publication p
UNION ALL
SELECT a.object, a.prefix || 'grant to ' || coalesce(quote_ident(g.rolname), 'PUBLIC'),
       string_agg(e.privilege_type || CASE WHEN e.is_grantable THEN ' with grant option' ELSE '' END,
                  ', ' ORDER BY e.privilege_type, e.is_grantable)
  FROM acls a CROSS JOIN LATERAL aclexplode(a.acl) e LEFT JOIN pg_roles g ON g.oid = e.grantee
 WHERE e.grantee <> a.owner
 GROUP BY a.object, a.prefix, g.rolname
UNION ALL
SELECT 'default privileges of ' || d.defaclrole::regrole::text
         || coalesce(' in ' || (SELECT name FROM schemas WHERE oid = d.defaclnamespace), ''),
       'for ' || d.defaclobjtype::text || ' grant to ' || coalesce(quote_ident(g.rolname), 'PUBLIC'),
       string_agg(e.privilege_type || CASE WHEN e.is_grantable THEN ' with grant option' ELSE '' END,
                  ', ' ORDER BY e.privilege_type, e.is_grantable)
  FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) e
  LEFT JOIN pg_roles g ON g.oid = e.grantee
 GROUP BY d.oid, d.defaclrole, d.defaclnamespace, d.defaclobjtype, g.rolname`;
}

const archivedColumns = `
  SELECT t.attrelid, t.attnum FROM stateful_cd.archives a JOIN pg_attribute t
      ON t.attrelid = to_regclass(format('%I.%I', a.table_schema, a.table_name))
     AND t.attname = a.archived_name AND NOT t.attisdropped`;
const noColumns = "SELECT NULL::oid AS attrelid, NULL::int2 AS attnum WHERE false";
