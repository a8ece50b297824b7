import { serveBackend } from "../1.0.0/serveBackend";
import { addRoutes } from "./routes";

serveBackend(addRoutes);
