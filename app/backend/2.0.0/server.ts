import { serveBackend } from "../1.0.0/serveBackend";
import { addRoutes } from "./routes";

serveBackend(addRoutes, [
  "/api/v2/menu",
  "/api/v2/places",
  "/api/v2/warehouses",
  "/api/v2/inventory?limit=20",
]);
