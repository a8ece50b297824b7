import type { FastifyInstance } from "fastify";
import { serve } from "../../service/1.0.0/serve";
import { createService, describeError } from "../../service/1.0.0/service";
import { readSettings } from "../../service/1.0.0/settings";
import { forgetOldReceipts } from "./appliedRequests";
import { type Database, openDatabase } from "./database";
import { explainDatabaseError } from "./databaseErrors";
import { backendSettings } from "./settings";

const hour = 3_600_000;

/** Adds a release's routes to its server. */
export type AddRoutes = (app: FastifyInstance, database: Database) => void;

/**
 * Runs a backend until it is told to stop; without usable settings it says so and exits with 1.
 * @param mostRead paths that it is asked for most, to be warm when it is ready
 */
export function serveBackend(addRoutes: AddRoutes, mostRead: readonly string[]): void {
  runUntilStopped(addRoutes, mostRead).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  });
}

async function runUntilStopped(addRoutes: AddRoutes, mostRead: readonly string[]): Promise<void> {
  const settings = readSettings(backendSettings, process.env);
  const database = openDatabase(settings, (error) => {
    service.app.log.warn(describeError(error), "database connection lost");
  });
  const service = createService(
    settings.RELEASE,
    () => database.isReachable(),
    explainDatabaseError,
  );
  const { app } = service;

  addRoutes(app, database);

  const housekeeping = setInterval(() => {
    forgetOldReceipts(database).catch((error: unknown) => {
      app.log.warn(describeError(error as Error), "old receipts are still there");
    });
  }, hour);
  await serve(service, settings, mostRead, async () => {
    clearInterval(housekeeping);
    await database.close();
  });
}
