import { serve } from "../../service/1.0.0/serve";
import { createService } from "../../service/1.0.0/service";
import { readSettings } from "../../service/1.0.0/settings";
import { connectBackend } from "./backendCalls";
import { servePage } from "./pageFiles";
import { explainNoAnswer, proxyApi } from "./proxy";
import { addSecurityHeaders } from "./securityHeaders";
import { frontendSettings } from "./settings";

/**
 * Runs a frontend until it is told to stop; without usable settings it says so and exits with 1.
 * @param mostRead paths that it is asked for most, to be warm when it is ready
 */
export function serveFrontend(mostRead: readonly string[]): void {
  runUntilStopped(mostRead).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  });
}

async function runUntilStopped(mostRead: readonly string[]): Promise<void> {
  const settings = readSettings(frontendSettings, process.env);
  const backend = connectBackend(settings.BACKEND_URL);
  // Ready without the backend: a page that says what is wrong serves people better than none.
  const isReady = () => Promise.resolve(true);
  const service = createService(settings.RELEASE, isReady, explainNoAnswer);

  addSecurityHeaders(service.app);
  servePage(service.app, settings.PAGE_FOLDER, settings.RELEASE);
  proxyApi(service.app, backend);
  await serve(service, settings, mostRead, backend.close);
}
