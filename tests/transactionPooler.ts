import { type AddressInfo, createServer, type Server, Socket } from "node:net";
import type { Client } from "pg";
import { readMessages } from "./postgresProtocol";

interface Waiting {
  readonly client: Socket;
  readonly message: Buffer;
}

/**
 * A proxy that pools transactions as PgBouncer does: a client owns a backend from its first message
 * to the next ReadyForQuery outside of a transaction, and another client gets it then.
 * @param backends connected sessions whose sockets the proxy takes over
 * @param next which free backend a client gets
 * @returns the port on 127.0.0.1 and how to stop
 */
export async function startTransactionPooler(
  backends: readonly Client[],
  next: "last used" | "round robin",
): Promise<{ port: number; stop: () => Promise<void> }> {
  const free: Socket[] = [];
  const owners = new Map<Socket, Socket>();
  const queue: Waiting[] = [];
  const sockets = new Set<Socket>();
  const backendOf = (client: Socket): Socket | undefined =>
    [...owners].find(([, owner]) => owner === client)?.[0];

  const serve = (): void => {
    for (let index = 0; index < queue.length;) {
      const waiting = queue[index];
      if (waiting === undefined) return;
      const backend =
        backendOf(waiting.client) ?? (next === "last used" ? free.pop() : free.shift());
      if (backend === undefined) {
        index++;
        continue;
      }
      owners.set(backend, waiting.client);
      queue.splice(index, 1);
      backend.write(waiting.message);
    }
  };
  for (const { connection } of backends) {
    const backend = connection.stream;
    if (!(backend instanceof Socket)) throw new Error("a backend's connection is not a socket");
    backend.removeAllListeners("data");
    free.push(backend);
    readMessages(backend, false, ({ type, bytes, body }) => {
      const client = owners.get(backend);
      client?.write(bytes);
      if (type === "Z" && body.toString("latin1") === "I") {
        owners.delete(backend);
        free.push(backend);
        serve();
      }
    });
  }
  const server: Server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    readMessages(client, true, ({ type, bytes }) => {
      if (type === "") client.write(greeting(sockets.size));
      else if (type === "X") client.end();
      else {
        queue.push({ client, message: bytes });
        serve();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => {
          resolve();
        });
      }),
  };
}

/** AuthenticationOk, a cancel key of the proxy's own, ReadyForQuery. */
function greeting(key: number): Buffer {
  const cancelKey = Buffer.from([0x4b, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]);
  cancelKey.writeInt32BE(1_000_000 + key, 5);
  return Buffer.concat([
    Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]),
    cancelKey,
    Buffer.from([0x5a, 0, 0, 0, 5, 0x49]),
  ]);
}
