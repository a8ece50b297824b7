import { CommandError, run } from "./command";
import { imageSpecs } from "./imageSpecs";
import { ensureLayer } from "./layers";
import { composeImage, withArchive, type Image } from "./ociArchive";
import { type CachePaths, runtime } from "./paths";

const ctr = ["--address", runtime.containerdSocket, "--namespace", "k8s.io", "images"];

/**
 * Builds what is missing or has changed, and gives containerd what it does not have or has
 * otherwise. `ready` is awaited before containerd is asked. Returns how many images were imported.
 */
export async function ensureImages(paths: CachePaths, ready: () => Promise<void>): Promise<number> {
  const images: Image[] = [];
  for (const { reference, layers, config } of await imageSpecs()) {
    const built = [];
    for (const layer of layers) built.push(await ensureLayer(paths, layer));
    images.push(composeImage(reference, built, config));
  }
  await ready();
  const present = await importedImages();
  const missing = images.filter((image) => present.get(image.reference) !== image.digest);
  if (missing.length === 0) return 0;
  console.log(`Importing images: ${missing.map((image) => image.reference).join(", ")}`);
  await withArchive(missing, (archive) => run("ctr", [...ctr, "import", archive]));
  return missing.length;
}

/** The images that containerd has whole and unpacked: reference and digest. */
export async function importedImages(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  let lines: string[];
  try {
    lines = (await run("ctr", [...ctr, "check"])).split("\n").slice(1);
  } catch (error) {
    if (error instanceof CommandError) return found;
    throw error;
  }
  for (const line of lines) {
    // REF TYPE DIGEST STATUS (n/m) SIZE unit/size unit UNPACKED
    const fields = line.split(/\s+/);
    const [reference, , digest, status] = fields;
    if (reference === undefined || digest === undefined) continue;
    if (status === "complete" && line.trimEnd().endsWith("true")) found.set(reference, digest);
  }
  return found;
}
