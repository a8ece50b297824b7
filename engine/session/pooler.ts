import { UserError } from "../../userError";
import type { Session } from "./session";

/**
 * Refuses a proxy that gives sessions another backend at every transaction: a lock taken through
 * it belongs to nobody. Directly, and through a proxy that pools sessions, two sessions have two
 * backends and keep them.
 */
export async function ensureNoPooler(first: Session, second: Session): Promise<void> {
  const shared = first.facts.backendPid === second.facts.backendPid;
  if (shared || (isBehindProxy(first) && (await movesBetweenBackends(first, second)))) {
    throw poolerRefusal();
  }
}

export function poolerRefusal(): UserError {
  return new UserError(
    "Between the engine and PostgreSQL is a proxy that pools transactions; nothing was run.",
    ["Two sessions do not keep a backend of their own: locks and settings would get lost."],
    "connect to the server itself, not to its pooler (PgBouncer's port is often 6432)",
  );
}

/** A proxy hands out cancel keys of its own, so the pid of the greeting is not the backend's. */
function isBehindProxy({ client, facts }: Session): boolean {
  const { processID } = client as unknown as { processID: number | null };
  return processID !== facts.backendPid;
}

/** Occupies a backend through one session and looks whether the other has to move; in turns. */
async function movesBetweenBackends(first: Session, second: Session): Promise<boolean> {
  for (let round = 0; round < 4; round++) {
    const [holding, asking] = round % 2 === 0 ? [second, first] : [first, second];
    await holding.client.query("BEGIN");
    const moved = [await hasMoved(asking), await hasMoved(holding)];
    await holding.client.query("COMMIT");
    if (moved.includes(true)) return true;
  }
  return false;
}

async function hasMoved({ client, facts }: Session): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return rows[0]?.pid !== facts.backendPid;
}
