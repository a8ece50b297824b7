import { type AddressInfo, createServer, type Server, Socket } from "node:net";
import type { Client } from "pg";

/** Names of protocol messages by their first byte. */
const readyForQuery = "Z".charCodeAt(0);
const terminate = "X".charCodeAt(0);

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
    readMessages(backend, false, (message) => {
      const client = owners.get(backend);
      client?.write(message);
      if (message[0] === readyForQuery && message.toString("latin1", 5) === "I") {
        owners.delete(backend);
        free.push(backend);
        serve();
      }
    });
  }
  const server: Server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    readMessages(client, true, (message, isStartup) => {
      if (isStartup) client.write(greeting(sockets.size));
      else if (message[0] === terminate) client.end();
      else {
        queue.push({ client, message });
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

/** Cuts a stream into messages; a client's first one has no type byte. */
function readMessages(
  socket: Socket,
  hasStartup: boolean,
  onMessage: (message: Buffer, isStartup: boolean) => void,
): void {
  let pending = Buffer.alloc(0);
  let isStartup = hasStartup;
  socket.on("data", (data: Buffer) => {
    pending = Buffer.concat([pending, data]);
    for (;;) {
      const start = isStartup ? 0 : 1;
      if (pending.length < start + 4) return;
      const length = start + pending.readInt32BE(start);
      if (pending.length < length) return;
      const message = pending.subarray(0, length);
      pending = pending.subarray(length);
      const wasStartup = isStartup;
      isStartup = false;
      onMessage(message, wasStartup);
    }
  });
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
