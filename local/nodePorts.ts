import { readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { connect, createServer, type Server } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { errorText } from "../userError";
import { addresses, apiServer } from "./addresses";
import { keyPair } from "./certificates";
import { prioritise } from "./priority";

const niceness = -10;

const watchEvent = z.object({
  type: z.string(),
  object: z.object({
    metadata: z.object({ uid: z.string().optional() }).optional(),
    spec: z
      .object({
        ports: z
          .array(z.object({ nodePort: z.number().optional(), protocol: z.string().optional() }))
          .optional(),
      })
      .optional(),
  }),
});

/** The TCP node ports in one line of a watch on Services, by the Service's uid. */
export function readEvent(line: string):
  | {
      readonly uid: string;
      readonly ports: readonly number[];
    }
  | undefined {
  const { type, object } = watchEvent.parse(JSON.parse(line));
  const uid = object.metadata?.uid;
  if (uid === undefined) return undefined;
  const ports = (object.spec?.ports ?? [])
    .filter((port) => port.protocol !== "UDP")
    .flatMap((port) => (port.nodePort === undefined ? [] : [port.nodePort]));
  return { uid, ports: type === "DELETED" ? [] : ports };
}

/**
 * Makes NodePort Services of the cluster answer on the machine's own 127.0.0.1, where browsers trust
 * a page without TLS and no proxy interferes. Started in the machine's network with the folder of the
 * certificates and a socket to open once it serves. A port that something else uses is left alone.
 */
class NodePorts {
  private readonly wanted = new Map<string, readonly number[]>();
  private readonly servers = new Map<number, Server>();

  apply(uid: string, ports: readonly number[]): void {
    this.wanted.set(uid, ports);
    const all = new Set([...this.wanted.values()].flat());
    for (const [port, server] of this.servers) {
      if (all.has(port)) continue;
      server.close();
      this.servers.delete(port);
    }
    for (const port of all) if (!this.servers.has(port)) this.open(port);
  }

  /** A new watch tells every Service again; what it does not tell is gone. */
  forget(): void {
    this.wanted.clear();
  }

  private open(port: number): void {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const service = connect({ host: addresses.node, port, allowHalfOpen: true });
      client.pipe(service).pipe(client);
      client.on("error", () => service.destroy());
      service.on("error", () => client.destroy());
      client.on("close", () => service.destroy());
      service.on("close", () => client.destroy());
    });
    server.on("error", (error) => {
      console.error(`127.0.0.1:${port} is not forwarded: ${error.message}`);
      this.servers.delete(port);
    });
    server.listen(port, "127.0.0.1");
    this.servers.set(port, server);
  }
}

/** Follows the Services until the API server ends the watch; it does so every few minutes. */
async function follow(pki: string, ports: NodePorts, onAnswer: () => void): Promise<void> {
  const pair = keyPair(pki, "node-ports");
  const stream = request(`${apiServer}/api/v1/services?watch=1`, {
    ca: readFileSync(keyPair(pki, "cluster-ca").certificate),
    cert: readFileSync(pair.certificate),
    key: readFileSync(pair.key),
    agent: false,
  });
  await new Promise<void>((resolve, reject) => {
    stream.on("error", reject);
    stream.on("response", (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`the watch on Services answers ${response.statusCode ?? 0}`));
        stream.destroy();
        return;
      }
      ports.forget();
      onAnswer();
      createInterface({ input: response })
        .on("line", (line) => {
          const event = readEvent(line);
          if (event !== undefined) ports.apply(event.uid, event.ports);
        })
        .on("close", resolve);
      response.on("error", reject);
    });
    stream.end();
  });
}

/** A socket that says "serving", in the place of one that a killed predecessor left. */
function openSign(socket: string): Server {
  rmSync(socket, { force: true });
  return createServer((client) => client.end()).listen(socket);
}

async function forward(pki: string, socket: string): Promise<void> {
  const ports = new NodePorts();
  let sign: Server | undefined;
  for (;;) {
    try {
      await follow(pki, ports, () => {
        sign ??= openSign(socket);
      });
    } catch (error) {
      console.error(errorText(error));
      await sleep(500);
    }
  }
}

if (require.main === module) {
  const [pki, socket] = process.argv.slice(2);
  if (pki === undefined || socket === undefined) throw new Error("usage: nodePorts PKI SOCKET");
  // A network is no process that waits for its turn beside a build.
  prioritise(process.pid, niceness);
  void forward(pki, socket);
}
