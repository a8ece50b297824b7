import type { Client } from "pg";
import type { LockNeed } from "./lockNeed";
import type { Stall } from "./stallBudget";

/** One try of a transaction that needs table locks, and what it has cost others. */
export class LockAttempt {
  readonly #stalls = new Map<string, number>();
  readonly #started = Date.now();
  /** Whether the locks themselves were being asked for when it failed. */
  isTaking = false;

  /**
   * @param patience how long any lock is waited for, in milliseconds
   * @param findsDeadlocksSoon whether the session may shorten deadlock_timeout
   */
  constructor(
    readonly client: Client,
    readonly patience: number,
    readonly findsDeadlocksSoon: boolean,
  ) {}

  /** What the transaction begins with. After deadlock_timeout an autovacuum in the way is cancelled. */
  get settings(): string {
    const deadlocks = this.findsDeadlocksSoon ? "; SET LOCAL deadlock_timeout = '50ms'" : "";
    return `SET LOCAL lock_timeout = ${this.patience}${deadlocks}`;
  }

  /**
   * Takes locks before anything is done under them, in one order for all runs, with one patience for
   * all of them together: lock_timeout bounds a single wait only.
   */
  async take(needs: readonly LockNeed[]): Promise<void> {
    const ordered = [...needs].sort((a, b) => (a.name < b.name ? -1 : 1));
    const started = Date.now();
    this.isTaking = true;
    for (const { name, sql, mode, withChildren } of ordered) {
      const asked = Date.now();
      const left = Math.max(1, this.patience - (asked - started));
      const lock = `LOCK TABLE ${withChildren ? "" : "ONLY "}${sql} IN ${mode} MODE`;
      try {
        await this.client.query(`SET LOCAL lock_timeout = ${left}; ${lock}; ${this.settings}`);
      } finally {
        // Whoever wants this table, or one that is locked already, has waited as long.
        const waited = Date.now() - asked;
        this.#stalls.set(name, 0);
        for (const [table, before] of this.#stalls) this.#stalls.set(table, before + waited);
      }
    }
    this.isTaking = false;
  }

  /** After a failure: what it cost the users of the tables in question. */
  stallsOf(needs: readonly LockNeed[]): Stall[] {
    if (this.isTaking) return this.waits(1);
    const milliseconds = Math.min(this.patience, Date.now() - this.#started);
    return [...new Set(needs.map(({ name }) => name))].map((table) => ({ table, milliseconds }));
  }

  /** Waits for locks of at least so many milliseconds. */
  waits(atLeast: number): Stall[] {
    return [...this.#stalls]
      .map(([table, milliseconds]) => ({ table, milliseconds }))
      .filter(({ milliseconds }) => milliseconds >= atLeast);
  }
}
