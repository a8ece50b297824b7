import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";

/** Together with what others start at the same time it takes the CPU from those who serve: few, one by one. */
const rounds = 4;
const patienceMs = 2_000;

/**
 * Asks a server its usual questions before anybody else can: the first answers of a process are slow,
 * for its code is not compiled yet and its connections are not made. Where one fails it ends, and is in
 * the log; whether the server is of use is what /readyz tells.
 * @param paths what is read most, with GET
 */
export async function warmUp(app: FastifyInstance, paths: readonly string[]): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  const headers = { "x-request-id": "warm-up" };
  const ask = async (): Promise<void> => {
    for (let round = 0; round < rounds && !signal.aborted; round++) {
      for (const url of paths) {
        const { statusCode } = await app.inject({ method: "GET", url, headers });
        if (statusCode >= 500) return;
      }
    }
  };
  await Promise.race([ask(), sleep(patienceMs, undefined, { signal })]);
  over.abort();
}
