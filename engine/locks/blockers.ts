import type { Session } from "../session/session";
import { printable, redactSecrets } from "../sql/sourceText";

/** A session that keeps another one waiting. */
export interface Blocker {
  readonly pid: number;
  /** One line: user, application, how long its transaction has been open, its query's first words. */
  readonly description: string;
}

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
  }, 90);
  try {
    return await work(seen);
  } finally {
    clearInterval(timer);
    await looking;
  }
}

async function blockersOf({ client }: Session, pid: number): Promise<Blocker[]> {
  const { rows } = await client.query<Blocker>(
    `SELECT pid, format('pid %s, user %s, application %s, %s for %s s, query: %s',
                        pid, coalesce(usename, '?'), quote_literal(coalesce(application_name, '')),
                        coalesce(state, backend_type),
                        round(extract(epoch FROM clock_timestamp() - coalesce(xact_start, backend_start))),
                        regexp_replace(left(query, 80), '\\s+', ' ', 'g')) AS description
       FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1)) ORDER BY xact_start`,
    [pid],
  );
  return rows.map(({ pid: blocker, description }) => ({
    pid: blocker,
    description: printable(redactSecrets(description)),
  }));
}
