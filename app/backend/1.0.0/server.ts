import { serve } from "../../service/1.0.0/serve";
import { createService, describeError } from "../../service/1.0.0/service";
import { readSettings } from "../../service/1.0.0/settings";
import { forgetOldReceipts } from "./appliedRequests";
import { openDatabase } from "./database";
import { explainDatabaseError } from "./databaseErrors";
import { inventoryRoutes } from "./inventory";
import { menuRoutes } from "./menu";
import { backendSettings } from "./settings";
import { warehouseRoutes } from "./warehouses";

const hour = 3_600_000;

async function main(): Promise<void> {
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

  inventoryRoutes(app, database);
  warehouseRoutes(app, database);
  menuRoutes(app, database);

  const housekeeping = setInterval(() => {
    forgetOldReceipts(database).catch((error: unknown) => {
      app.log.warn(describeError(error as Error), "old receipts are still there");
    });
  }, hour);
  await serve(service, settings, async () => {
    clearInterval(housekeeping);
    await database.close();
  });
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
