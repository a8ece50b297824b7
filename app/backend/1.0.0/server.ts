import { addRoutes } from "./routes";
import { serveBackend } from "./serveBackend";

serveBackend(addRoutes, ["/api/menu", "/api/warehouses", "/api/inventory?limit=20"]);
