import { serveFrontend } from "./serveFrontend";

serveFrontend(["/", "/api/menu", "/api/warehouses", "/api/inventory?limit=20"]);
