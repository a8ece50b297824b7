import { sqlState, stateOf } from "../session/databaseErrors";
import type { Session } from "../session/session";

const asked = new WeakMap<Session, Promise<boolean>>();

/**
 * Whether the session may set deadlock_timeout: a superuser may, and from PostgreSQL 15 on whoever
 * was given it by GRANT SET ON PARAMETER. With 50 ms an ordinary autovacuum yields within a short
 * lock_timeout; with the default of a second it never does.
 * Call outside of a transaction.
 */
export function maySetDeadlockTimeout(session: Session): Promise<boolean> {
  const known = asked.get(session) ?? ask(session);
  asked.set(session, known);
  return known;
}

async function ask({ client }: Session): Promise<boolean> {
  try {
    await client.query("SELECT set_config('deadlock_timeout', '50ms', false)");
    return true;
  } catch (error) {
    if (stateOf(error) === sqlState.noRight) return false;
    throw error;
  }
}
