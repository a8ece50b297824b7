import type { FastifyError, FastifyInstance } from "fastify";
import { DatabaseError } from "pg";
import type { Database } from "../1.0.0/database";
import { addRoutes } from "../1.0.0/routes";
import { Problem } from "../../service/1.0.0/problem";

/**
 * Serves the API of release 1.0.0 by its own routes: its pages stay open in browsers long after the
 * last of its servers is gone. What needs the columns that contract takes away answers 410 from then on.
 */
export function addEarlierRoutes(app: FastifyInstance, database: Database): void {
  app.register((earlier, _options, done) => {
    addRoutes(earlier, database);
    earlier.setErrorHandler<FastifyError>((error) => {
      throw isColumnGone(error) ? reloadThePage() : error;
    });
    done();
  });
}

/** SQLSTATE 42703, undefined_column. */
function isColumnGone(error: Error): boolean {
  return error instanceof DatabaseError && error.code === "42703";
}

function reloadThePage(): Problem {
  return new Problem(
    410,
    "Release ended",
    "This page is of release 1.0.0, which has ended. Nothing was changed. Please reload the page.",
  );
}
