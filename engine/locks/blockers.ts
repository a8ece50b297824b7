import type { Session } from "../session/session";
import { printable, redactSecrets } from "../sql/sourceText";

/** Who keeps a session waiting. */
export interface Blocker {
  /** null: a prepared transaction, which no session has. */
  readonly pid: number | null;
  /** One line: user, application, how long its transaction has been open, its query's first words. */
  readonly description: string;
}

/** Well within the shortest wait for a lock, so that whoever ends it has been seen, on a busy machine too. */
const lookMilliseconds = 60;

/** While `work` runs, looks from another session who keeps it waiting. */
export async function watchingBlockers<T>(
  watcher: Session,
  worker: Session,
  work: (seen: { blockers: readonly Blocker[] }) => Promise<T>,
  onBlocked: (blockers: readonly Blocker[]) => void = () => undefined,
): Promise<T> {
  const seen: { blockers: readonly Blocker[] } = { blockers: [] };
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const found = await blockersOf(watcher, worker.facts.backendPid);
    if (found.length === 0) return;
    seen.blockers = found;
    onBlocked(found);
  };
  const timer = setInterval(() => {
    if (watcher.lost) return;
    looking ??= look()
      .catch(() => {
        watcher.lost = true;
      })
      .finally(() => {
        looking = undefined;
      });
  }, lookMilliseconds);
  try {
    return await work(seen);
  } finally {
    clearInterval(timer);
    await looking;
  }
}

/** One line of pg_stat_activity's row `a` for a person. */
export const describing = `format('pid %s, user %s, application %s, %s for %s s, query: %s',
    a.pid, coalesce(a.usename, '?'), quote_literal(coalesce(a.application_name, '')),
    coalesce(a.state, a.backend_type, 'at work'),
    coalesce(round(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start)))::text, '?'),
    regexp_replace(left(a.query, 80), '\\s+', ' ', 'g'))`;

/**
 * The query behind a WITH that gives `held` (pid, transaction): sessions and prepared transactions
 * that hold, in the order in which they began. What others do is hidden from an ordinary role, but not
 * that an autovacuum has no user. One against wraparound does not make way: asking for its table is
 * then in vain, for as long as the stall budget lets it.
 */
export const describingHolders = `
  SELECT a.pid, h.transaction, ${describing} AS description,
         extract(epoch FROM clock_timestamp() - a.xact_start)::float8 * 1000 AS milliseconds,
         coalesce(a.backend_type = 'autovacuum worker'
                  AND a.query NOT LIKE '%(to prevent wraparound)', a.usesysid IS NULL) AS "makesWay"
    FROM held h JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
  UNION ALL
  SELECT NULL, h.transaction,
         format('prepared transaction %s, user %s, since %s s', quote_literal(p.gid), p.owner,
                round(extract(epoch FROM clock_timestamp() - p.prepared))),
         extract(epoch FROM clock_timestamp() - p.prepared)::float8 * 1000, false
    FROM held h
    JOIN pg_catalog.pg_locks x ON x.virtualtransaction = h.transaction
     AND x.locktype = 'transactionid' AND x.pid IS NULL AND h.pid IS NULL
    JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
   ORDER BY milliseconds DESC NULLS LAST`;

async function blockersOf({ client }: Session, pid: number): Promise<Blocker[]> {
  const { rows } = await client.query<Blocker>(
    `SELECT a.pid, ${describing} AS description
       FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids($1)) ORDER BY a.xact_start`,
    [pid],
  );
  return rows.map(shown);
}

/** A blocker as a terminal may show it. */
export function shown<T extends Blocker>(blocker: T): T {
  return { ...blocker, description: printable(redactSecrets(blocker.description)) };
}
