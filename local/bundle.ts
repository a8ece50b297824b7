import { existsSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

/**
 * Bundles one release of backend or frontend: `server.ts` for Node into server.js, and where
 * there is a `page/`, its page.ts for browsers into page/page.js and its styles.css with what that
 * imports into page/styles.css, beside the page's other files.
 */
export async function bundleApplication(source: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o755 });
  await build({
    entryPoints: [path.join(source, "server.ts")],
    outfile: path.join(target, "server.js"),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    // Left readable: a third of a pod's start went into reading a source map that only a stack trace needs.
    logLevel: "silent",
  });
  const page = path.join(source, "page");
  if (!existsSync(page)) return;
  await cp(page, path.join(target, "page"), {
    recursive: true,
    filter: (file) => !/\.(ts|css)$/.test(file),
  });
  const entryPoints = ["page.ts", "styles.css"].map((name) => path.join(page, name));
  await build({
    entryPoints: entryPoints.filter((file) => existsSync(file)),
    outdir: path.join(target, "page"),
    bundle: true,
    platform: "browser",
    target: "es2022",
    format: "esm",
    sourcemap: true,
    logLevel: "silent",
  });
}
