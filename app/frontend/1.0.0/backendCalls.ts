import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface Call {
  method: string;
  /** Path and query, as the client sent them. */
  path: string;
  headers: http.OutgoingHttpHeaders;
  body: Buffer | undefined;
  /** Whether the backend may be asked again although it may have acted already. */
  repeatable: boolean;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** The backend gave no whole answer. */
export class NoAnswer extends Error {
  /** @param reached whether any part of the request may have got to the backend */
  constructor(
    readonly reached: boolean,
    cause: unknown,
  ) {
    super("The backend gave no answer.", { cause });
    this.name = "NoAnswer";
  }
}

export interface Backend {
  call: (call: Call) => Promise<Answer>;
  close: () => void;
}

/** Pauses before each further attempt, in milliseconds: a new connection may lead to another pod. */
const pauses = [0, 50, 250];
/** No further attempt is made this many milliseconds after the first. */
const patienceMs = 5_000;
const connectMs = 2_000;
const answerMs = 14_000;

/**
 * Calls to the backend over connections that are kept. A call whose connection fails is made again
 * when it never reached the backend, or when it is repeatable; otherwise it fails with NoAnswer.
 */
export function connectBackend(url: URL): Backend {
  const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 64 });
  return {
    call: (call) => callPersistently(url, agent, call),
    close: () => {
      agent.destroy();
    },
  };
}

async function callPersistently(url: URL, agent: http.Agent, call: Call): Promise<Answer> {
  const deadline = Date.now() + patienceMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await callOnce(url, agent, call);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const pause = pauses[attempt];
      if (pause === undefined || Date.now() > deadline) throw error;
      if (error.reached && !call.repeatable) throw error;
      await sleep(pause);
    }
  }
}

function callOnce(url: URL, agent: http.Agent, call: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const { method, path, headers, body } = call;
    const request = http.request(url, { agent, method, path, headers });
    const fail = (error: unknown) => {
      clearTimeout(connecting);
      clearTimeout(answering);
      request.destroy();
      reject(new NoAnswer(connected, error));
    };
    const connecting = setTimeout(() => {
      fail(new Error(`No connection within ${connectMs} ms.`));
    }, connectMs);
    const answering = setTimeout(() => {
      fail(new Error(`No answer within ${answerMs} ms.`));
    }, answerMs);
    const markConnected = () => {
      connected = true;
      clearTimeout(connecting);
    };
    request.on("socket", (socket) => {
      if (socket.connecting) socket.once("connect", markConnected);
      else markConnected();
    });
    request.on("error", fail);
    request.on("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", fail);
      response.on("end", () => {
        clearTimeout(answering);
        resolve({
          status: response.statusCode ?? 502,
          headers: response.headers,
          body: Buffer.concat(parts),
        });
      });
    });
    request.end(body);
  });
}
