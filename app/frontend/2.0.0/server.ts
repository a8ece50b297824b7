import { serveFrontend } from "../1.0.0/serveFrontend";

serveFrontend(["/", "/api/v2/places", "/api/v2/warehouses", "/api/v2/inventory?limit=20"]);
