import { setTimeout as sleep } from "node:timers/promises";
import type { Service } from "./service";
import type { ServiceSettings } from "./settings";
import { warmUp } from "./warmUp";

/** Requests that are still unfinished this many milliseconds after the end of accepting are cut off. */
const graceMs = 20_000;
/** Who kept a connection learns with its next answer that it has to leave: it serves until none asks. */
const quietMs = 2_000;
const longestQuietWaitMs = 10_000;

/**
 * Warms up and listens until SIGTERM or SIGINT, then stops without losing a request: it turns unready
 * and asks clients to leave, keeps serving for SHUTDOWN_DELAY_MS so that nobody new is sent here, and
 * then until nobody asks any more; it stops accepting, finishes what is in flight and releases what the server held.
 * @param mostRead paths that it is asked for most, to be warm when it is ready
 * @param release closes what the server opened; runs after the last answer
 */
export async function serve(
  { app, drain, unaskedMs }: Service,
  { PORT, SHUTDOWN_DELAY_MS }: ServiceSettings,
  mostRead: readonly string[],
  release: () => Promise<void> | void,
): Promise<void> {
  // First of all: the first process of a container is ended by no signal that it does not listen for.
  const signal = nextSignal();
  const early = await Promise.race([signal, warmUp(app, mostRead)]);
  if (early !== undefined) {
    // There is nothing to finish, and what it asked itself may take as long as the database likes.
    app.log.info({ signal: early }, "stopped before anybody was served");
    process.exit(0);
  }
  await app.listen({ port: PORT, host: "0.0.0.0" });

  app.log.info({ signal: await signal, delayMs: SHUTDOWN_DELAY_MS }, "draining");
  drain();
  await sleep(SHUTDOWN_DELAY_MS);
  const deadline = Date.now() + longestQuietWaitMs;
  while (unaskedMs() < Math.min(quietMs, SHUTDOWN_DELAY_MS) && Date.now() < deadline)
    await sleep(100);
  const cutOff = setTimeout(() => {
    app.log.error("cutting off unfinished requests");
    app.server.closeAllConnections();
  }, graceMs);
  await app.close();
  clearTimeout(cutOff);
  await release();
  app.log.info("stopped");
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}
