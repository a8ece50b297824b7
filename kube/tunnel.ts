import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText, UserError } from "../userError";
import { PodStream } from "./podStream";
import { awaitReadyPod, type PodPort } from "./readyPod";

/** Ports the kernel does not hand out by itself, so that no outgoing connection sits on ours. */
const firstPort = 20_000;
const portCount = 10_000;
/** The program of a run that was killed leaves within a second. */
const killedRunSeconds = 5;

/**
 * The same port for the same name on every run. It stands in Pulumi's state as an input of the
 * PostgreSQL provider, where a changing one would be a difference.
 */
export function portFor(name: string): number {
  return firstPort + (createHash("sha256").update(name).digest().readUInt32BE(0) % portCount);
}

/**
 * Listens on 127.0.0.1 and forwards each connection to the ready pod, found anew for each one.
 * For plugins that speak only TCP. Never keeps the process alive: one handle that did would hang
 * `pulumi up` for ever.
 * @param shared whether another listener on the port will do: a preview may run beside an `up` of
 *   the same stack, whose tunnel leads to the same server
 * @throws UserError when the port is taken
 */
export async function openTunnel(port: number, target: PodPort, shared: boolean): Promise<void> {
  const deadline = Date.now() + (shared ? 0 : killedRunSeconds * 1000);
  for (;;) {
    const error = await listen(port, target);
    const isTaken = error?.code === "EADDRINUSE";
    if (error === undefined || (isTaken && shared)) return;
    if (!isTaken || Date.now() > deadline) throw explain(error, port, target);
    await sleep(200);
  }
}

/** @returns why it could not listen */
function listen(port: number, target: PodPort): Promise<NodeJS.ErrnoException | undefined> {
  const server = createServer((local) => {
    local.unref();
    // Whoever hangs up early is not waited for.
    local.on("error", () => local.destroy());
    void forward(local, target);
  });
  server.unref();
  return new Promise((resolve) => {
    server.once("error", resolve);
    server.listen(port, "127.0.0.1", () => {
      resolve(undefined);
    });
  });
}

function explain(error: NodeJS.ErrnoException, port: number, target: PodPort): UserError {
  return new UserError(
    `Cannot listen on 127.0.0.1:${port}, the tunnel to ${target.namespace}/${target.app}.`,
    [
      error.code === "EADDRINUSE"
        ? "Another program has it: is this stack's `pulumi up` running?"
        : error.message,
    ],
    "wait for the other run, or set stateful-cd:database tunnelPort to a free port",
  );
}

/** A server that is starting or being replaced is waited for, as long as its client waits. */
async function forward(local: Socket, target: PodPort): Promise<void> {
  try {
    await awaitReadyPod(target, () => local.destroyed);
    const remote = new PodStream(target);
    remote.unref();
    remote.once("connect", () => {
      // A connection that either side ends early is the plugin's or the server's to explain.
      pipeline(local, remote, local, () => undefined);
    });
    // Why a connection could not be made reaches the plugin as a closed one, so it is said here.
    remote.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") console.error(error.message);
      local.destroy();
    });
    local.once("close", () => remote.destroy());
    remote.connect();
  } catch (error) {
    console.error(errorText(error));
    local.destroy();
  }
}
