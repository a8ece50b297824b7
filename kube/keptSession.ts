import type { Client } from "pg";
import { connectToPostgres, type DatabaseAddress } from "./postgres";

/** Long enough for the next resource of the same `up`. */
const keptMilliseconds = 1_000;

interface Kept {
  readonly client: Client;
  readonly closing: NodeJS.Timeout;
}

const kept = new Map<string, Kept[]>();

/**
 * A session like connectToPostgres's, or one that was ended a moment ago: ending it cleans it up and
 * keeps it. Opening one takes three requests to the Kubernetes API and a login, which is most of what a
 * small migration costs.
 */
export async function keptSession(
  address: DatabaseAddress,
  deadlineSeconds: number,
  applicationName: string,
): Promise<Client> {
  const key = JSON.stringify([address, applicationName]);
  const found = kept.get(key)?.pop();
  if (found !== undefined) {
    clearTimeout(found.closing);
    return found.client;
  }
  const client = await connectToPostgres(address, deadlineSeconds, applicationName);
  const end = client.end.bind(client);
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      end(() => {
        resolve();
      });
    });
  let isLost = false;
  client.on("end", () => {
    isLost = true;
    drop(key, client);
  });
  client.end = async () => {
    // Locks, settings and temporary tables go with it; inside of a transaction it fails.
    const isClean = !isLost && (await succeeds(client.query("DISCARD ALL")));
    if (isClean) keep(key, client, close);
    else await close();
  };
  return client;
}

function keep(key: string, client: Client, close: () => Promise<void>): void {
  const closing = setTimeout(() => {
    drop(key, client);
    void close();
  }, keptMilliseconds).unref();
  kept.set(key, [...(kept.get(key) ?? []), { client, closing }]);
}

function drop(key: string, client: Client): void {
  const others = (kept.get(key) ?? []).filter((session) => session.client !== client);
  if (others.length > 0) kept.set(key, others);
  else kept.delete(key);
}

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
