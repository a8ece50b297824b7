import type { Client } from "pg";
import { type Blocker, describing, shown } from "./blockers";

/** What is younger will have ended before anybody has read of it. */
const leastSeconds = 1;

/**
 * Who holds the oldest snapshot of this database; undefined where nobody does for long. Others'
 * snapshots are shown to pg_read_all_stats, and to their own role. A vacuum's is waited for by nobody.
 */
export async function oldestSnapshot(client: Client): Promise<Blocker | undefined> {
  const { rows } = await client.query<Blocker>(
    `SELECT a.pid, ${describing} AS description
       FROM pg_catalog.pg_stat_activity a
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_xmin IS NOT NULL
        AND a.backend_type <> 'autovacuum worker'
        AND clock_timestamp() - a.xact_start > interval '${leastSeconds} s'
      ORDER BY age(a.backend_xmin) DESC, a.xact_start LIMIT 1`,
  );
  return rows[0] && shown(rows[0]);
}
