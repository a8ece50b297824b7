import { createHash } from "node:crypto";
import { connect, createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Runs `work` while no other process on this machine does so under the same name. The lock is an
 * abstract unix socket: the kernel lets go of it when its holder dies, however it dies, and no file
 * is left that could lie. Whoever waits is told by the holder itself who it is.
 */
export async function withLock<T>(
  name: string,
  holder: string,
  onWait: (holder: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const address = `\0stateful-cd-${createHash("sha256").update(name).digest("hex").slice(0, 24)}`;
  let waiting = false;
  let server = await tryListen(address, holder);
  while (server === undefined) {
    if (!waiting) onWait(await askHolder(address));
    waiting = true;
    await sleep(200);
    server = await tryListen(address, holder);
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

function tryListen(address: string, holder: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end(holder);
    });
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Who holds the lock, in its own words. A holder that has just gone, or is busy, has no words. */
function askHolder(address: string): Promise<string> {
  return new Promise((resolve) => {
    let words = "";
    const socket = connect(address);
    socket.setTimeout(500, () => socket.destroy());
    socket.on("data", (chunk) => (words += chunk.toString()));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      resolve(words === "" ? "another process" : words);
    });
  });
}
