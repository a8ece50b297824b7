import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { keyPair } from "./certificates";
import { type Probe } from "./processSpecs";

const timeout = 3000;

/** The identity that probes show: it may ask for health and nothing else. */
export interface ProbeIdentity {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export function readProbeIdentity(pki: string): ProbeIdentity {
  const pair = keyPair(pki, "supervisor");
  return {
    ca: readFileSync(keyPair(pki, "cluster-ca").certificate),
    cert: readFileSync(pair.certificate),
    key: readFileSync(pair.key),
  };
}

/** Asks once; returns what is wrong, or undefined where the process serves. */
export function probe(target: Probe, identity: ProbeIdentity): Promise<string | undefined> {
  return target.kind === "socket" ? probeSocket(target.path) : probeUrl(target.url, identity);
}

function probeUrl(url: string, identity: ProbeIdentity): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout, agent: false };
    const sent = url.startsWith("https:")
      ? httpsRequest(url, { ...options, ...identity })
      : httpRequest(url, options);
    sent.on("response", (response) => {
      response.resume();
      const code = response.statusCode ?? 0;
      resolve(code === 200 ? undefined : `${url} answers ${code}`);
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${timeout / 1000} s`)));
    sent.on("error", (error) => {
      resolve(`${url}: ${error.message}`);
    });
    sent.end();
  });
}

function probeSocket(file: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(file);
    socket.setTimeout(timeout, () => socket.destroy(new Error("no answer")));
    socket.on("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on("error", (error) => {
      resolve(`${file}: ${error.message}`);
    });
  });
}
