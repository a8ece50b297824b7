import type { Request, Reply } from "./call";
import type { Release } from "./history";
import { type Figures, Latencies } from "./latencies";
import { StallWatch } from "./stall";

/** What the clients saw. */
export interface Measured {
  readonly requests: number;
  /** Requests that failed: no answer, 5xx, or refused though nothing was wrong with them. */
  readonly errors: number;
  /** Sent once more after a kept connection turned out to be closed, as browsers do. */
  readonly retried: number;
  /** Answers that make a page of a release that is not served load the one that is. */
  readonly reloads: number;
  /** The longest time without an answer while requests were outstanding, after the quiet phase. */
  readonly longestStallMs: number;
  readonly quietP99Ms: number;
  /** Of all requests after the quiet phase. */
  readonly p99Ms: number;
  /** How late the load itself was at worst: a stall not longer than this may be its own. */
  readonly lagMs: number;
  readonly byPhase: Readonly<Record<string, Figures>>;
  /** By the API that was asked. */
  readonly byRelease: Readonly<Record<Release, Figures>>;
  /** Answers by the release that gave them. */
  readonly answeredBy: Readonly<Record<string, number>>;
  readonly firstErrors: readonly string[];
  /** The longest answers, the longest first: where to look for what made the others slow too. */
  readonly slowest: readonly Slow[];
}

/** A request that took long, `atSeconds` after the load began. */
export interface Slow {
  readonly atSeconds: number;
  readonly phase: string;
  readonly request: string;
  readonly milliseconds: number;
}

/** A request that has ended. */
export interface Ended {
  readonly request: Request;
  readonly reply: Reply;
  readonly release: Release;
  /** The phase in which it was sent, and when it was meant to be. */
  readonly phase: string;
  readonly due: number;
  /** The answer says that the release is not served, and no more. */
  readonly isNotServed: boolean;
}

const beforeAnyMark = "start";
const quiet = "quiet";
const mostErrorsTold = 10;
const mostSlowTold = 20;
const both: readonly Release[] = ["1.0.0", "2.0.0"];

/** Keeps count of requests, phase by phase. Times are of performance.now(), in milliseconds. */
export class Tally {
  readonly #begun = performance.now();
  readonly #latencies = new Map<string, Record<Release, Latencies>>();
  readonly #stalls = new StallWatch();
  readonly #answeredBy: Record<string, number> = {};
  readonly #firstErrors: string[] = [];
  #slowest: Slow[] = [];
  #phase = beforeAnyMark;
  #retried = 0;
  #reloads = 0;
  #lagMs = 0;

  get phase(): string {
    return this.#phase;
  }

  mark(phase: string): void {
    this.#stalls.note(performance.now(), this.#phase);
    this.#phase = phase;
  }

  sent(due: number): void {
    const now = performance.now();
    this.#lagMs = Math.max(this.#lagMs, now - due);
    this.#stalls.sent(now);
  }

  ended({ request, reply, release, phase, due, isNotServed }: Ended): void {
    const now = performance.now();
    const { answer, failure } = reply;
    const isFailed = (answer === undefined || answer.status >= 400) && !isNotServed;
    this.#stalls.ended(now, this.#phase, answer !== undefined);
    this.#of(phase)[release].record(now - due, isFailed);
    if (reply.retried) this.#retried++;
    if (isNotServed) this.#reloads++;
    if (answer !== undefined) {
      this.#answeredBy[answer.release] = (this.#answeredBy[answer.release] ?? 0) + 1;
    }
    const asked = `${request.method} ${request.path}`;
    this.#noteSlow({
      atSeconds: Math.round((due - this.#begun) / 100) / 10,
      phase,
      request: asked,
      milliseconds: Math.round(now - due),
    });
    if (!isFailed || this.#firstErrors.length >= mostErrorsTold) return;
    const at = ((now - this.#begun) / 1_000).toFixed(1);
    const why = answer === undefined ? failure : `${answer.status} ${answer.text.slice(0, 200)}`;
    this.#firstErrors.push(`${at} s: ${asked}: ${why ?? "no answer"}`);
  }

  #noteSlow(slow: Slow): void {
    const least = this.#slowest[mostSlowTold - 1];
    if (least !== undefined && slow.milliseconds <= least.milliseconds) return;
    this.#slowest = [...this.#slowest, slow]
      .sort((one, other) => other.milliseconds - one.milliseconds)
      .slice(0, mostSlowTold);
  }

  get measured(): Measured {
    const phases = [...this.#latencies.keys()];
    const marked = phases.filter((name) => name !== beforeAnyMark && name !== quiet);
    const judged = marked.length > 0 ? marked : phases;
    const { requests, errors } = this.#sum(phases);
    return {
      requests,
      errors,
      retried: this.#retried,
      reloads: this.#reloads,
      longestStallMs: this.#stalls.longestMs(judged),
      quietP99Ms: this.#sum([quiet]).p99Ms,
      p99Ms: this.#sum(judged).p99Ms,
      lagMs: Math.round(this.#lagMs),
      byPhase: Object.fromEntries(phases.map((name) => [name, this.#sum([name])])),
      byRelease: { "1.0.0": this.#sum(phases, ["1.0.0"]), "2.0.0": this.#sum(phases, ["2.0.0"]) },
      answeredBy: this.#answeredBy,
      firstErrors: this.#firstErrors,
      slowest: this.#slowest,
    };
  }

  #of(phase: string): Record<Release, Latencies> {
    const known = this.#latencies.get(phase);
    if (known !== undefined) return known;
    const made = { "1.0.0": new Latencies(), "2.0.0": new Latencies() };
    this.#latencies.set(phase, made);
    return made;
  }

  #sum(phases: readonly string[], releases = both): Figures {
    const total = new Latencies();
    for (const phase of phases) {
      for (const release of releases) total.add(this.#of(phase)[release]);
    }
    return total.figures;
  }
}
