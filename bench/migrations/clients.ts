import { setTimeout as sleep } from "node:timers/promises";
import { build, type Histogram } from "hdr-histogram-js";
import { withClient } from "./server";

/** What clients have felt, in milliseconds from when each request was meant to be sent. */
export interface Felt {
  readonly requests: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

/**
 * Clients that go on sending while `work` runs: open loop, each on its own session, one request
 * every `everyMs`. A request that comes late because the one before it was stuck counts from when
 * it was due.
 */
export async function withClients<T>(
  url: string,
  { clients, everyMs, request }: { clients: number; everyMs: number; request: () => string },
  work: () => Promise<T>,
): Promise<{ result: T; felt: Felt }> {
  const histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const state = { isOver: false };
  const running = Array.from({ length: clients }, () =>
    withClient(url, async (client) => {
      await client.query("SELECT 1");
      for (let due = performance.now(); !state.isOver; due += everyMs) {
        const early = due - performance.now();
        if (early > 1) await sleep(early);
        await client.query(request());
        histogram.recordValue(Math.max(1, Math.round((performance.now() - due) * 1000)));
      }
    }),
  );
  try {
    const result = await Promise.race([
      work(),
      Promise.all(running).then(() => {
        throw new Error("the clients ended before the work did");
      }),
    ]);
    state.isOver = true;
    await Promise.all(running);
    return { result, felt: feltOf(histogram) };
  } finally {
    state.isOver = true;
    await Promise.allSettled(running);
  }
}

function feltOf(histogram: Histogram): Felt {
  const at = (percentile: number) =>
    Math.round(histogram.getValueAtPercentile(percentile) / 100) / 10;
  return { requests: histogram.totalCount, p99Ms: at(99), longestMs: at(100) };
}
