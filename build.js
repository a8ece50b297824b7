// Builds dist/ and tells whether it is current. Plain JavaScript, because it runs before a build exists.
const { spawnSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const root = __dirname;
const stampFile = path.join(root, "dist", ".sources");
const sourceFolders = [
  "app",
  "components",
  "data",
  "demo",
  "engine",
  "kube",
  "local",
  "bench",
  "tests",
];

/** Everything the build reads, as one sha256: contents, not times, so that a git checkout is not a change. */
function hashSources() {
  const files = ["package-lock.json", "tsconfig.json"];
  files.push(...readdirSync(root).filter((name) => name.endsWith(".ts")));
  for (const folder of sourceFolders) {
    if (!existsSync(path.join(root, folder))) continue;
    const names = readdirSync(path.join(root, folder), { recursive: true });
    files.push(...names.filter((name) => name.endsWith(".ts")).map((name) => `${folder}/${name}`));
  }
  const hash = createHash("sha256");
  for (const file of files.sort()) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(root, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

function isBuilt() {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === hashSources();
}

/** Compiles when sources have changed since the last build. Throws with the compiler's own words. */
function ensureBuilt() {
  if (isBuilt()) return;
  const compiler = path.join(root, "node_modules", "typescript", "bin", "tsc");
  if (!existsSync(compiler)) throw userError("The program is not built.\n  Next: npm ci");
  const sources = hashSources();
  // A build that fails has written some of its files: what was built before is no longer there.
  rmSync(stampFile, { force: true });
  const result = spawnSync(process.execPath, [compiler, "-p", root], { encoding: "utf8" });
  if (result.status !== 0) {
    throw userError(
      `The program does not compile:\n${result.stdout}${result.stderr}\n  Next: npm run build`,
    );
  }
  bundles.forEach(bundle);
  keepCodeOf("migrationsProgram.js");
  writeFileSync(stampFile, sources);
}

/** pg makes a Response to see whether it runs at Cloudflare's, for which Node loads all of its fetch. */
const withoutFetch = { define: { Response: "undefined" } };

/** import() as require: code that V8 has kept does not know any more who loads for it. */
const withoutImport = { supported: { "dynamic-import": false } };

/** node-fetch loads tables of all letters for an URL class of its own, and then uses Node's. */
const withNodesUrl = { alias: { "whatwg-url": "node:url" } };

/**
 * What is one file after the build, which each process of each command loads in a third to two thirds
 * of the time. Packages lie beside the compiled program, where Node looks first.
 */
const bundles = [
  ["./engine/cli/start.ts", "migrations.js"],
  ["./engine/cli/main.ts", "migrationsProgram.js", { ...withoutFetch, ...withoutImport }],
  ["./kube/clusterClient.ts", "kube/clusterClient.js", withNodesUrl],
  ["pg", "node_modules/pg/index.js", withoutFetch],
  ["yaml", "node_modules/yaml/index.js"],
  ["zod", "node_modules/zod/index.js"],
];

function bundle([entry, file, options]) {
  require("esbuild").buildSync({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: path.join("dist", file),
    bundle: true,
    platform: "node",
    // Its WebAssembly lies beside its own code.
    external: ["libpg-query", "pg-native"],
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: "error",
    ...options,
  });
}

/** Of what every command does: loading it. */
function keepCodeOf(name) {
  const { codeFile, compileProgram } = require("./dist/engine/cli/compiledProgram.js");
  const file = path.join(root, "dist", name);
  rmSync(codeFile(file), { force: true });
  const program = compileProgram(file);
  program.load();
  program.keepCode();
}

/** An error whose message is meant for a person as it stands. */
function userError(message) {
  return Object.assign(new Error(message), { name: "UserError" });
}

module.exports = { ensureBuilt, isBuilt };

if (require.main === module) {
  try {
    ensureBuilt();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
