import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { readMessages } from "../../tests/postgresProtocol";

/** Where a fault comes in, as seen from a statement that a client sends. */
export type Placement =
  /** The server never gets it. */
  | "before"
  /** The server has it and may be at work on it; its reply never arrives. */
  | "inside"
  /** The server has done it; its reply never arrives. */
  | "after";

/** A client's connection through the proxy, and the server process that serves it. */
export interface ProxiedConnection {
  readonly client: Socket;
  readonly server: Socket;
  backendPid: number | undefined;
  /** How often the server still has to say that it is ready, the start included. */
  unanswered: number;
  /** Its replies are withheld. */
  mute: boolean;
  onReady: (() => void) | undefined;
}

export interface Fault {
  /** Called with every statement in order; true for the one that is to be hit. */
  readonly hits: (statement: string) => boolean;
  readonly placement: Placement;
  /** Called when the statement is about to pass. */
  readonly prepare: () => Promise<void>;
  /** With placement inside, once the server has it: ends when it is time to strike. */
  readonly untilInside: (connection: ProxiedConnection) => Promise<void>;
  readonly strike: (connection: ProxiedConnection) => Promise<void>;
}

/** A connection between the engine and its server that fails at a statement. */
export interface FaultyProxy {
  readonly port: number;
  readonly connections: ReadonlySet<ProxiedConnection>;
  /** Every statement that came by. */
  readonly statements: readonly string[];
  /** Whether the fault came in. */
  readonly struck: () => boolean;
  /** Nothing passes any more, and nobody is told. */
  silence(): void;
  stop(): Promise<void>;
}

export async function startFaultyProxy(
  target: { host: string; port: number },
  fault: Fault,
): Promise<FaultyProxy> {
  const connections = new Set<ProxiedConnection>();
  const statements: string[] = [];
  let struck = false;
  let silent = false;

  const send = async (connection: ProxiedConnection, bytes: Buffer, text: string) => {
    statements.push(text);
    if (struck || !fault.hits(text)) {
      if (!silent) pass(connection, bytes);
      return;
    }
    struck = true;
    const { placement } = fault;
    // What was sent before it without waiting is to be over: the fault is this statement's alone.
    await answered(connection);
    await fault.prepare();
    if (placement !== "before") {
      connection.mute = true;
      const ready = new Promise<void>((resolve) => (connection.onReady = resolve));
      pass(connection, bytes);
      await (placement === "after"
        ? Promise.race([ready, sleep(20_000)])
        : fault.untilInside(connection));
    }
    await fault.strike(connection);
    connection.mute = false;
    if (placement === "before" && !silent && !connection.client.destroyed) {
      pass(connection, bytes);
    }
  };

  const proxy = createServer((client) => {
    const server = connect(target);
    const connection: ProxiedConnection = {
      client,
      server,
      backendPid: undefined,
      unanswered: 1,
      mute: false,
      onReady: undefined,
    };
    connections.add(connection);
    const close = (): void => {
      if (silent) return;
      client.destroy();
      server.destroy();
      connections.delete(connection);
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", close);
      socket.on("close", close);
    }
    const prepared = new Map<string, string>();
    let batch: Buffer[] = [];
    let text = "";
    let order = Promise.resolve();
    readMessages(client, true, ({ type, bytes, body }) => {
      batch.push(bytes);
      if (type === "Q") text = body.toString("utf8", 0, body.length - 1);
      if (type === "P") {
        const [name = "", statement = ""] = body.toString().split("\0", 2);
        prepared.set(name, (text = statement));
      }
      if (type === "B") {
        const [, name = ""] = body.toString().split("\0", 2);
        text = prepared.get(name) ?? "";
      }
      if (["P", "B", "D", "E"].includes(type)) return;
      const [whole, statement] = [Buffer.concat(batch), text];
      [batch, text] = [[], ""];
      if (type === "Q" || type === "S")
        order = order.then(() => send(connection, whole, statement));
      else server.write(whole);
    });
    readMessages(server, false, ({ type, bytes, body }) => {
      if (type === "K") connection.backendPid = body.readInt32BE(0);
      if (type === "Z") {
        connection.unanswered--;
        connection.onReady?.();
      }
      if (!connection.mute && !silent) client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    port: (proxy.address() as AddressInfo).port,
    connections,
    statements,
    struck: () => struck,
    silence: () => {
      silent = true;
    },
    stop: async () => {
      silent = false;
      for (const { client, server } of connections) {
        client.destroy();
        server.destroy();
      }
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** Passes a statement on, to which the server answers that it is ready once more. */
function pass(connection: ProxiedConnection, bytes: Buffer): void {
  connection.unanswered++;
  connection.server.write(bytes);
}

async function answered(connection: ProxiedConnection): Promise<void> {
  while (connection.unanswered > 0 && !connection.server.destroyed) await sleep(5);
}
