import { strict as assert } from "node:assert";
import { readdirSync } from "node:fs";
import path from "node:path";
import { build, type Metafile } from "esbuild";
import { repository } from "../../local/paths";

const folders = ["app", "bench", "components", "data", "demo", "engine", "kube", "local", "tests"];

/** What each file of ours loads of the others; types alone are not loaded. */
async function importsOf(files: readonly string[]): Promise<Metafile["inputs"]> {
  const { metafile } = await build({
    absWorkingDir: repository,
    entryPoints: [...files],
    bundle: true,
    packages: "external",
    // Plain JavaScript, seen from the compiled file.
    external: ["*/build.js"],
    platform: "node",
    outdir: "nowhere",
    write: false,
    metafile: true,
    logLevel: "error",
  });
  return metafile.inputs;
}

/** Every way that comes back to where it began, once. */
function circlesIn(inputs: Metafile["inputs"]): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const follow = (file: string, way: readonly string[]): void => {
    const start = way.indexOf(file);
    if (start >= 0) circles.push([...way.slice(start), file].join(" -> "));
    if (start >= 0 || done.has(file)) return;
    for (const { path: next, external } of inputs[file]?.imports ?? []) {
      if (external !== true) follow(next, [...way, file]);
    }
    done.add(file);
  };
  for (const file of Object.keys(inputs)) follow(file, []);
  return circles;
}

describe("the imports of all files", () => {
  it("go in no circle", async () => {
    const found = folders.flatMap((folder) =>
      readdirSync(path.join(repository, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => path.join(folder, name)),
    );
    const inputs = await importsOf(["index.ts", ...found]);
    assert.ok(Object.keys(inputs).length > found.length / 2);
    assert.deepEqual(circlesIn(inputs), []);
  }).timeout(20_000);

  it("are followed around a corner", () => {
    const imports = (...names: string[]) => ({
      bytes: 0,
      imports: names.map((name) => ({ path: name, kind: "import-statement" as const })),
    });
    assert.deepEqual(
      circlesIn({ "a.ts": imports("b.ts"), "b.ts": imports("c.ts"), "c.ts": imports("b.ts") }),
      ["b.ts -> c.ts -> b.ts"],
    );
  });
});
