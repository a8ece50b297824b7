import type { Client } from "pg";

/**
 * Sends work without waiting for the answer to what was sent before it, in one packet: while locks are
 * held, every round trip is a wait for somebody. The server runs all in order, and, inside of a
 * transaction, nothing behind a failure. Each work has to send its queries when it is called, before it
 * waits for anything.
 * @throws the first failure in that order, once all have ended
 */
export async function together(
  client: Client,
  ...works: readonly (() => Promise<unknown>)[]
): Promise<void> {
  const ended = await Promise.allSettled(inOneGo(client, works));
  const failed = ended.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

function inOneGo(client: Client, works: readonly (() => Promise<unknown>)[]): Promise<unknown>[] {
  const { stream } = client.connection;
  stream.cork();
  try {
    return works.map((work) => work());
  } finally {
    stream.uncork();
  }
}
