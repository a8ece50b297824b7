import http from "node:http";

export interface Request {
  readonly method: "GET" | "POST" | "PATCH";
  /** Path and query. */
  readonly path: string;
  readonly body?: object;
  /** The Idempotency-Key of a write. */
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  /** The release that answered, from the x-release header. */
  readonly release: string;
  readonly text: string;
}

/** The outcome of a request: an answer, or why there is none. */
export interface Reply {
  readonly answer?: Answer;
  readonly failure?: string;
  /** Whether it was sent again after its kept connection turned out to be closed. */
  readonly retried: boolean;
}

export interface Caller {
  readonly call: (request: Request) => Promise<Reply>;
  readonly close: () => void;
}

/** As many connections as this stand for as many open pages. */
const mostConnections = 64;
const patienceMs = 20_000;

/**
 * Sends requests over connections that are kept, as browsers do. A server may close a kept connection
 * while a request is on its way to it; like a browser, the caller then sends it once more on a new one.
 */
export function createCaller(url: string): Caller {
  const agent = new http.Agent({ keepAlive: true, maxSockets: mostConnections });
  return {
    async call(request) {
      const first = await send(url, agent, request);
      if (typeof first !== "string") return { answer: first, retried: false };
      if (!first.startsWith(closedWhileKept)) return { failure: first, retried: false };
      const second = await send(url, false, request);
      if (typeof second !== "string") return { answer: second, retried: true };
      return { failure: second, retried: true };
    },
    close: () => {
      agent.destroy();
    },
  };
}

const closedWhileKept = "kept connection closed";
const resetCodes = new Set(["ECONNRESET", "EPIPE"]);

/** The answer, or in words why there is none. */
function send(
  url: string,
  agent: http.Agent | false,
  { method, path, body, token }: Request,
): Promise<Answer | string> {
  return new Promise((resolve) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(text !== undefined && {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
      }),
      ...(token !== undefined && { "idempotency-key": token }),
    };
    const request = http.request(new URL(path, url), { agent, method, headers });
    let hasAnswer = false;
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(waiting);
      const code = error.code ?? error.message;
      const wasClosed = request.reusedSocket && !hasAnswer && resetCodes.has(code);
      resolve(wasClosed ? `${closedWhileKept}: ${code}` : code);
    };
    const waiting = setTimeout(() => {
      request.destroy(new Error(`no answer within ${patienceMs} ms`));
    }, patienceMs);
    request.on("error", fail);
    request.on("response", (response) => {
      hasAnswer = true;
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", fail);
      response.on("end", () => {
        clearTimeout(waiting);
        resolve({
          status: response.statusCode ?? 0,
          release: String(response.headers["x-release"] ?? "unknown"),
          text: Buffer.concat(parts).toString(),
        });
      });
    });
    request.end(text);
  });
}
