import type { FieldError } from "../../../service/1.0.0/problem";

export type { FieldError };

/** The service said no, for a reason that can be told. */
export class Refused extends Error {
  constructor(
    detail: string,
    readonly errors: readonly FieldError[] = [],
  ) {
    super(detail);
  }
}

/** The service is of a release that does not serve this page any more. */
export class Outdated extends Refused {}

/** Nobody answered, or nobody could. */
export class Unreachable extends Error {}

/** Pauses before each further attempt, in milliseconds. */
const pauses = [300, 1_200];
const timeoutMs = 20_000;

/**
 * Sends one change.
 * @param token makes repeats of the same change harmless: the service applies it once
 */
export async function send(
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  token: string,
  body?: object,
): Promise<void> {
  await request(path, {
    method,
    headers: {
      "idempotency-key": token,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** A random UUID; crypto.randomUUID is not there on pages without TLS. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}

/**
 * The answer's JSON; asks again when nobody answers.
 * @throws Refused, Outdated, Unreachable
 */
export async function request(
  path: string,
  init: RequestInit = {},
  signal?: AbortSignal,
): Promise<unknown> {
  for (let attempt = 0; ; attempt++) {
    const pause = pauses[attempt];
    try {
      return await requestOnce(path, init, signal);
    } catch (error) {
      if (!(error instanceof Unreachable) || pause === undefined) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    signal?.throwIfAborted();
  }
}

async function requestOnce(path: string, init: RequestInit, signal?: AbortSignal) {
  const signals = [AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])];
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.any(signals) });
    body = await response.json();
  } catch (error) {
    signal?.throwIfAborted();
    throw new Unreachable("Nobody answered.", { cause: error });
  }
  if (response.ok) return body;
  const { title, detail, errors } = body as {
    title: string;
    detail: string;
    errors?: FieldError[];
  };
  if (response.status >= 502 && response.status <= 504) throw new Unreachable(detail);
  if (response.status === 410) throw new Outdated(detail);
  if (response.status === 404 && title === "Not found") {
    throw new Outdated(
      "Another release is served now than the one of this page. Please reload it.",
    );
  }
  throw new Refused(detail, errors);
}
