import type { RequestOptions } from "node:https";
import { Duplex } from "node:stream";
import WebSocket, { type RawData } from "ws";
import { UserError } from "../userError";
import { loadCluster } from "./client";
import { findReadyPod, NotReady, type PodPort } from "./readyPod";

/** Port-forward frames start with a channel: 0 carries data, 1 the kubelet's error text. */
const dataChannel = 0;
const errorChannel = 1;
const subprotocol = "v4.channel.k8s.io";
const pingMilliseconds = 20_000;
const connectMilliseconds = 10_000;

/**
 * A TCP connection to a port of a pod, through nothing but the Kubernetes API: what
 * `kubectl port-forward` does, as a stream. It has the methods of net.Socket that `pg` calls, so
 * it can be given to pg as `stream: () => new PodStream(target)`.
 *
 * Facts it rests on (Kubernetes 1.31 to 1.35, tried): the first frame of each channel is the
 * port, two bytes; errors come only on channel 1; there is no half close. The client of
 * @kubernetes/client-node hangs on `end()`, on pod death and on a refused port.
 */
export class PodStream extends Duplex {
  #socket: WebSocket | undefined;
  #writeWhenOpen: (() => void) | undefined;
  #pings: NodeJS.Timeout | undefined;
  #opened = new Set<number>();
  #refusal = "";
  #unrefed = false;

  constructor(private readonly target: PodPort) {
    super({ allowHalfOpen: false });
  }

  /** Resolves the ready pod and connects; emits `connect`, or `error` with a readable cause. */
  connect(): this {
    this.#open().catch((error: unknown) => {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    });
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  /** Lets the process end while this stream is open, as net.Socket's unref does. */
  unref(): this {
    this.#unrefed = true;
    this.#pings?.unref();
    if (this.#socket) unrefSocket(this.#socket);
    return this;
  }

  async #open(): Promise<void> {
    const { context, namespace, port } = this.target;
    const pod = await findReadyPod(this.target);
    const { kubeConfig } = loadCluster(context);
    const server = kubeConfig.getCurrentCluster()?.server ?? "";
    const tls: RequestOptions = {};
    await kubeConfig.applyToHTTPSOptions(tls);
    if (this.destroyed) return;
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/portforward?ports=${port}`;
    const socket = new WebSocket(server.replace(/^http/, "ws") + path, [subprotocol], {
      ...(tls as object),
      handshakeTimeout: connectMilliseconds,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    socket.on("open", () => {
      this.#pings = setInterval(() => {
        socket.ping();
      }, pingMilliseconds);
      if (this.#unrefed) this.unref();
      this.emit("connect");
      this.#writeWhenOpen?.();
      this.#writeWhenOpen = undefined;
    });
    socket.on("message", (frame) => {
      this.#receive(toBuffer(frame));
    });
    socket.on("unexpected-response", (_request, response) => {
      const { statusCode = 0, statusMessage = "" } = response;
      this.destroy(refusalOf(this.target, pod, statusCode, statusMessage));
    });
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      clearInterval(this.#pings);
      if (this.#refusal)
        this.destroy(new Error(`pod ${namespace}/${pod}: ${this.#refusal.trim()}`));
      else this.push(null);
    });
  }

  #receive(frame: Buffer): void {
    const channel = frame[0] ?? dataChannel;
    let bytes = frame.subarray(1);
    if (!this.#opened.has(channel)) {
      this.#opened.add(channel);
      bytes = bytes.subarray(2);
    }
    if (bytes.length === 0) return;
    if (channel === errorChannel) this.#refusal += bytes.toString("utf8");
    else if (!this.push(bytes)) this.#socket?.pause();
  }

  override _read(): void {
    if (this.#socket?.isPaused) this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const send = (): void => {
      this.#socket?.send(Buffer.concat([Buffer.of(dataChannel), bytes]), done);
    };
    if (this.#socket?.readyState === WebSocket.OPEN) send();
    else if (this.#socket?.readyState === WebSocket.CONNECTING || !this.#socket)
      this.#writeWhenOpen = send;
    else done(new Error("the connection to the pod is closed"));
  }

  override _final(done: () => void): void {
    this.#socket?.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#pings);
    this.#socket?.terminate();
    done(error);
  }
}

/** Only two answers speak of rights; a pod that has just gone and a kubelet that fails do pass. */
function refusalOf(
  { context, namespace, port }: PodPort,
  pod: string,
  status: number,
  message: string,
): UserError {
  const problem = `Port ${port} of pod ${namespace}/${pod} was not forwarded: HTTP ${status} ${message}.`;
  if (status === 401 || status === 403) {
    return new UserError(
      problem,
      ["The program needs get and create on pods/portforward."],
      `kubectl --context ${context} auth can-i create pods/portforward -n ${namespace}`,
    );
  }
  return new NotReady(
    problem,
    ["The pod has gone, or its node does not answer."],
    `kubectl --context ${context} get pods -n ${namespace} -o wide`,
  );
}

function toBuffer(frame: RawData): Buffer {
  if (Buffer.isBuffer(frame)) return frame;
  return Array.isArray(frame) ? Buffer.concat(frame) : Buffer.from(frame);
}

/** ws has no unref of its own; its TCP socket has. */
function unrefSocket(socket: WebSocket): void {
  const { _socket: tcp } = socket as unknown as { _socket?: { unref(): void } };
  tcp?.unref();
}
