import { randomUUID } from "node:crypto";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  LogController,
} from "fastify";
import { pino } from "pino";
import { Problem } from "./problem";

export interface Service {
  app: FastifyInstance;
  /** From now on: not ready, and every answer asks the client to leave its connection. */
  drain: () => void;
  /** Milliseconds since anybody asked for anything but its health. */
  unaskedMs: () => number;
}

/**
 * A server with what every server of this release has: /healthz, /readyz, x-release and x-request-id
 * headers, problem+json errors, and one log line a request that holds no personal data.
 * @param release shown in the x-release header
 * @param isReady whether what this server depends on can be reached now
 * @param explain turns errors of the server's own kind into problems, or returns undefined
 */
export function createService(
  release: string,
  isReady: () => Promise<boolean>,
  explain: (error: Error) => Problem | undefined,
): Service {
  let draining = false;
  let asked = 0;
  const logger: FastifyBaseLogger = pino({ base: { release } });
  const app: FastifyInstance = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }) => givenRequestId(headers["x-request-id"]) ?? randomUUID(),
    bodyLimit: 16 * 1024,
    requestTimeout: 10_000,
    handlerTimeout: 15_000,
    return503OnClosing: false,
  });

  app.addHook("onRequest", async (request) => {
    if (request.routeOptions.config.quiet !== true) asked = Date.now();
    return Promise.resolve();
  });
  app.addHook("onSend", async (request, reply) => {
    reply.header("x-request-id", request.id);
    if (!reply.hasHeader("x-release")) reply.header("x-release", release);
    if (draining) reply.header("connection", "close");
    return Promise.resolve();
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url;
    const milliseconds = Math.round(reply.elapsedTime * 10) / 10;
    const line = { method: request.method, route, status: reply.statusCode, milliseconds };
    if (request.routeOptions.config.quiet !== true) request.log.info(line, "answered");
    return Promise.resolve();
  });

  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const problem = explain(error) ?? toProblem(error);
    if (problem.status >= 500) request.log.error(describeError(error), problem.title);
    return reply
      .code(problem.status)
      .type("application/problem+json")
      .send({
        type: "about:blank",
        title: problem.title,
        status: problem.status,
        detail: problem.detail,
        ...(problem.errors.length > 0 && { errors: problem.errors }),
        requestId: request.id,
      });
  });
  app.setNotFoundHandler(() => {
    throw new Problem(404, "Not found", "There is nothing at this address.");
  });

  app.get("/healthz", { config: { quiet: true } }, () => ({ status: "alive" }));
  app.get("/readyz", { config: { quiet: true } }, async (_request, reply) => {
    if (draining) return reply.code(503).send({ status: "draining" });
    if (!(await isReady())) return reply.code(503).send({ status: "waiting" });
    return { status: "ready" };
  });

  return {
    app,
    drain: () => {
      draining = true;
    },
    unaskedMs: () => Date.now() - asked,
  };
}

/**
 * What the log may say of an error: never the details of a database error, because PostgreSQL quotes
 * the values of the row at fault in its messages.
 */
export function describeError(error: Error & { code?: unknown; cause?: unknown }): object {
  const { name, code, cause } = error;
  const isDatabases = "severity" in error;
  const frames = error.stack?.split("\n").filter((line) => line.startsWith("    at ")) ?? [];
  return {
    error: {
      name,
      code,
      ...(!isDatabases && { message: error.message }),
      at: frames.map((line) => line.trim()),
      ...(cause instanceof Error && { cause: describeError(cause) }),
    },
  };
}

function toProblem(error: FastifyError): Problem {
  if (error instanceof Problem) return error;
  if (error.code === "FST_ERR_HANDLER_TIMEOUT") {
    return new Problem(503, "Too slow", "This took too long. Please try again.");
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return new Problem(status, "Bad request", error.message);
  return new Problem(500, "Internal error", "Something went wrong on our side.");
}

function givenRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" && /^[\w-]{1,64}$/.test(header) ? header : undefined;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Set on routes that are asked every few seconds and would fill the log. */
    quiet?: boolean;
  }
}
