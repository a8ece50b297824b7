/** The longest time in which requests were outstanding and none was answered, by phase. */
export class StallWatch {
  readonly #longest = new Map<string, number>();
  #outstanding = 0;
  #since = 0;
  /** Whether the last request that ended had no answer: then the wait for one goes on. */
  #isInterrupted = false;

  sent(now: number): void {
    if (this.#outstanding === 0 && !this.#isInterrupted) this.#since = now;
    this.#outstanding++;
  }

  /** @param isAnswered false for a request that ended without an answer */
  ended(now: number, phase: string, isAnswered: boolean): void {
    this.note(now, phase);
    this.#outstanding--;
    this.#isInterrupted = !isAnswered;
    if (isAnswered) this.#since = now;
  }

  /** Counts a wait that is not over yet. */
  note(now: number, phase: string): void {
    if (this.#outstanding === 0) return;
    const longest = this.#longest.get(phase) ?? 0;
    this.#longest.set(phase, Math.max(longest, now - this.#since));
  }

  longestMs(phases: readonly string[]): number {
    return Math.round(Math.max(0, ...phases.map((phase) => this.#longest.get(phase) ?? 0)));
  }
}
