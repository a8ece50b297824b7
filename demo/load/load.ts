import { createCaller, type Reply } from "./call";
import type { History, Outcome, Receipt, Release } from "./history";
import { ServedReleases } from "./servedReleases";
import { type Measured, Tally } from "./tally";
import { type Operation, Traffic } from "./traffic";

export interface LoadOptions {
  /** Where both releases are reached, like "http://127.0.0.1:8080". */
  readonly url: string;
  /** Requests are sent at this rate, whether earlier ones are answered or not. */
  readonly ratePerSecond: number;
}

export interface LoadResult {
  readonly measured: Measured;
  readonly history: History;
}

export interface Load {
  /** Begins a phase; "quiet" is the one that the others are compared with. */
  readonly mark: (phase: string) => void;
  /** Everybody loads their page anew: from now on all use the later release's API. */
  readonly reload: () => void;
  /** Sends no more, waits for what is outstanding, and says what was seen and written. */
  readonly stop: () => Promise<LoadResult>;
}

/**
 * People at work, until stopped: an open loop that reads and writes through release 1.0.0's API and,
 * from when that answers, 2.0.0's. Latency counts from when a request was meant to be sent.
 */
export function startLoad({ url, ratePerSecond }: LoadOptions): Load {
  const callers = { "1.0.0": createCaller(url), "2.0.0": createCaller(url) };
  const served = new ServedReleases(callers["2.0.0"]);
  const traffic = new Traffic();
  const tally = new Tally();
  const outstanding = new Set<Promise<void>>();
  const begun = performance.now();
  const interval = 1_000 / ratePerSecond;
  let sent = 0;
  const nextDue = () => begun + sent * interval;

  function sendDue(): void {
    const now = performance.now();
    while (nextDue() <= now) {
      const due = nextDue();
      const release = served.choose(sent++);
      const ending = send(traffic.next(release), release, due).finally(() => {
        outstanding.delete(ending);
      });
      outstanding.add(ending);
    }
    timer = setTimeout(sendDue, nextDue() - performance.now());
  }

  async function send(operation: Operation, release: Release, due: number): Promise<void> {
    const { request, write, settle } = operation;
    const { phase } = tally;
    tally.sent(due);
    const reply = await callers[release].call(request);
    const isNotServed = reply.answer !== undefined && served.isNotServed(release, reply.answer);
    tally.ended({ request, reply, release, phase, due, isNotServed });
    if (write !== undefined) write.outcome = outcomeOf(reply);
    settle();
  }

  let timer = setTimeout(sendDue, 0);
  return {
    mark: (phase) => {
      tally.mark(phase);
    },
    reload: () => {
      served.reload();
    },
    async stop() {
      clearTimeout(timer);
      served.stop();
      await Promise.all(outstanding);
      for (const caller of Object.values(callers)) caller.close();
      return { measured: tally.measured, history: traffic.history };
    },
  };
}

/** 4xx did nothing, by the application's word; after anything else but success nobody knows. */
function outcomeOf({ answer }: Reply): Outcome {
  if (answer === undefined || answer.status >= 500) return { kind: "unknown" };
  if (answer.status >= 400) return { kind: "refused" };
  return { kind: "acknowledged", receipt: JSON.parse(answer.text) as Receipt };
}
