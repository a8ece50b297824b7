import { addRoutes } from "./routes";
import { serveBackend } from "./serveBackend";

serveBackend(addRoutes);
