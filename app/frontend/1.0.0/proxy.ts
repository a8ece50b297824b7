import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "../../service/1.0.0/problem";
import { type Backend, NoAnswer } from "./backendCalls";

const passedOn = ["accept", "content-type", "idempotency-key"] as const;
const passedBack = ["content-type", "x-release"] as const;

/** Passes everything under /api on to the backend, and its answer back. */
export function proxyApi(app: FastifyInstance, backend: Backend): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });
  app.all("/api/*", (request, reply) => passOn(backend, request, reply));
}

/** What a client is told when the backend gave no whole answer. */
export function explainNoAnswer(error: Error): Problem | undefined {
  if (!(error instanceof NoAnswer)) return undefined;
  const effect = error.reached
    ? "This may or may not be saved: look before you repeat it."
    : "Nothing was changed. Please try again in a moment.";
  return new Problem(503, "Service unreachable", `The service cannot be reached. ${effect}`);
}

async function passOn(
  backend: Backend,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const headers: Record<string, string> = { "x-request-id": request.id };
  for (const name of passedOn) {
    const value = request.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  const body = Buffer.isBuffer(request.body) ? request.body : undefined;
  if (body !== undefined) headers["content-length"] = String(body.length);
  const answer = await backend.call({
    method: request.method,
    path: request.url,
    headers,
    body,
    repeatable: ["GET", "HEAD"].includes(request.method) || "idempotency-key" in headers,
  });
  for (const name of passedBack) {
    const value = answer.headers[name];
    if (value !== undefined) reply.header(name, value);
  }
  return reply.code(answer.status).header("cache-control", "no-store").send(answer.body);
}
