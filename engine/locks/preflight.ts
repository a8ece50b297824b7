import { conflictsOf, type LockNeed } from "./lockNeed";
import { type Blocker, describingHolders, shown } from "./blockers";
import type { Session } from "../session/session";

/**
 * A transaction that has held a lock for so long may go on holding it: waiting for it in the lock's
 * queue would keep everybody else waiting, too. A younger one is likely to end within a lock_timeout.
 */
export const oldTransactionMilliseconds = 200;

interface Holder extends Blocker {
  /** Names the transaction as long as it lasts. */
  readonly transaction: string;
  /** null: this role may not see it, for the session is another role's. */
  readonly milliseconds: number | null;
  /** Where a vacuum makes way for whoever waits longer than deadlock_timeout. */
  readonly makesWay: boolean;
}

/** Looks, without taking or awaiting any lock, who would keep a session waiting for its locks. */
export class Preflight {
  readonly #seen = new Map<string, number>();
  #hidden: ReadonlySet<string> | undefined;

  /**
   * @param vacuumMakesWay whether this session has the right to make an ordinary autovacuum yield
   */
  constructor(
    readonly session: Session,
    readonly needs: readonly LockNeed[],
    readonly vacuumMakesWay: boolean,
  ) {}

  /** Those worth waiting for outside of the queue; empty when the locks may be asked for. */
  async look(): Promise<readonly Blocker[]> {
    if (this.needs.length === 0) return [];
    const now = Date.now();
    const holders = await this.#holders();
    const hidden = holders.filter(({ milliseconds }) => milliseconds === null);
    for (const { transaction } of hidden) {
      if (!this.#seen.has(transaction)) this.#seen.set(transaction, now);
    }
    this.#hidden ??= new Set(hidden.map(({ transaction }) => transaction));
    return holders.filter((holder) => {
      if (holder.makesWay) return !this.vacuumMakesWay;
      if (holder.milliseconds !== null) return holder.milliseconds > oldTransactionMilliseconds;
      // Whose age is hidden is given the time to end, once; those that come later are young.
      const age = now - (this.#seen.get(holder.transaction) ?? now);
      return age > oldTransactionMilliseconds || this.#hidden?.has(holder.transaction) === true;
    });
  }

  async #holders(): Promise<Holder[]> {
    const needed = this.needs.map(({ oid, mode, withChildren }) => ({
      oid,
      modes: conflictsOf(mode),
      withChildren,
    }));
    const { rows } = await this.session.client.query<Holder>(
      `WITH RECURSIVE needed(relation, modes, with_children) AS (
         SELECT n.oid, n.modes, n."withChildren"
           FROM pg_catalog.json_to_recordset($1) AS n(oid oid, modes text[], "withChildren" boolean)
         UNION
         SELECT i.inhrelid, needed.modes, true
           FROM needed JOIN pg_catalog.pg_inherits i ON i.inhparent = needed.relation
          WHERE needed.with_children),
       held AS (
         SELECT DISTINCT l.pid, l.virtualtransaction AS transaction
           FROM needed n JOIN pg_catalog.pg_locks l
             ON l.relation = n.relation AND l.mode = ANY (n.modes)
          WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
       ${describingHolders}`,
      [JSON.stringify(needed)],
    );
    return rows.map(shown);
  }
}
