import type { Socket } from "node:net";

/** A message of PostgreSQL's protocol. */
export interface Message {
  /** Its letter; empty for a client's first message, which has none. */
  readonly type: string;
  /** The whole message as it came. */
  readonly bytes: Buffer;
  /** What follows letter and length. */
  readonly body: Buffer;
}

/** Cuts a stream into messages; a client's first one has no letter. */
export function readMessages(
  socket: Socket,
  hasStartup: boolean,
  onMessage: (message: Message) => void,
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
      const bytes = pending.subarray(0, length);
      pending = pending.subarray(length);
      onMessage({
        type: isStartup ? "" : String.fromCharCode(bytes[0] ?? 0),
        bytes,
        body: bytes.subarray(start + 4),
      });
      isStartup = false;
    }
  });
}
