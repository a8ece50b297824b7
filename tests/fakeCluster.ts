import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { kinds } from "../kube/objectKinds";

/** What an API server says to a request: its status, and a body that is sent as JSON unless it is text. */
export type Answer = readonly [status: number, body: unknown];

/** The selector of labels that a request has, and its body. */
interface Details {
  readonly labels: string;
  readonly body: string;
}
const nothing = { labels: "", body: "" };

export interface FakeCluster {
  /** The kubeconfig's context. */
  readonly context: string;
  /** Requests so far, e.g. `GET /version`. */
  readonly asked: readonly string[];
  readonly end: () => Promise<void>;
}

const global = ["Namespace", "PersistentVolume", "VolumeSnapshotContent"];

/** What the client asks before it asks for an object: where the kinds of a group are. */
function discovery(request: string): Answer | undefined {
  const group = /^GET \/apis?\/((?:[^/]+\/)?v1)$/.exec(request)?.[1];
  if (group === undefined) return undefined;
  const resources = Object.entries(kinds)
    .filter(([, { apiVersion }]) => apiVersion === group)
    .map(([kind, { plural: name }]) => {
      return { kind, name, namespaced: !global.includes(kind) };
    });
  return [200, { resources }];
}

let count = 0;

/**
 * An API server that says what the test wants said, and a kubeconfig that leads to it.
 * @param answer what is said to a method and a path; undefined says nothing, ever, to what is not discovery
 */
export async function startFakeCluster(
  answer: (request: string, of: Details) => Answer | undefined,
): Promise<FakeCluster> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const respond = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url = "" } = incoming;
    const { pathname, searchParams } = new URL(url, "http://fake");
    const request = `${method} ${pathname}`;
    asked.push(request);
    const of = { labels: searchParams.get("labelSelector") ?? "", body: await text(incoming) };
    const [status, body] = answer(request, of) ?? discovery(request) ?? [];
    if (status === undefined) return;
    const isText = typeof body === "string";
    response.writeHead(status, { "content-type": isText ? "text/html" : "application/json" });
    response.end(isText ? body : JSON.stringify(body));
  };
  const server = createServer((incoming, response) => void respond(incoming, response));
  server.on("connection", (socket) => sockets.add(socket));
  // A refused upgrade is answered like any other request.
  server.on("upgrade", ({ method = "", url = "" }, socket) => {
    const [status = 500] =
      answer(`${method} ${new URL(url, "http://fake").pathname}`, nothing) ?? [];
    socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n\r\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  const context = `fake-${process.pid}-${count++}`;
  const folder = await mkdtemp(path.join(tmpdir(), "stateful-cd-fake-"));
  const named = { cluster: context, user: context };
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: context,
        cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true },
      },
    ],
    users: [{ name: context, user: {} }],
    contexts: [{ name: context, context: named }],
    "current-context": context,
  };
  await writeFile(path.join(folder, "kubeconfig"), JSON.stringify(kubeconfig));
  const before = process.env.KUBECONFIG;
  process.env.KUBECONFIG = path.join(folder, "kubeconfig");
  return {
    context,
    asked,
    end: async () => {
      if (before === undefined) delete process.env.KUBECONFIG;
      else process.env.KUBECONFIG = before;
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}
