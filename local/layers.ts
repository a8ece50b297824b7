import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as z from "zod";
import { buildFolder, isIntact } from "./builtFolder";
import { CommandError, run } from "./command";
import { contentKey } from "./contentKey";
import { type CachePaths } from "./paths";
import { UserError } from "../userError";

/** A layer of an image: how it is made, and everything that decides what comes out. */
export interface LayerSpec {
  readonly name: string;
  /** Words and files that go into the layer's key: a change of any builds it anew. */
  readonly words: readonly string[];
  readonly files: readonly string[];
  /** Makes the layer's tar archive. */
  build(tar: string): Promise<void>;
}

/** A layer that was built: its archive and the archive's sha256. */
export interface Layer {
  readonly tar: string;
  readonly sha256: string;
  readonly size: number;
}

const recordSchema = z.object({
  files: z.array(z.object({ sha256: z.string(), size: z.number() })).length(1),
});

/** The layer, from the cache where it lies whole, else built into it. */
export async function ensureLayer(paths: CachePaths, spec: LayerSpec): Promise<Layer> {
  const key = await contentKey([spec.name, ...spec.words], spec.files);
  const folder = path.join(paths.images, `${spec.name}-${key}`);
  if (!(await isIntact(folder))) {
    console.log(`Building image layer ${spec.name}`);
    try {
      await buildFolder(folder, ["layer.tar"], (draft) =>
        spec.build(path.join(draft, "layer.tar")),
      );
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw new UserError(
        `The image layer ${spec.name} could not be built.`,
        [error.message],
        "mend the cause, then: make up",
      );
    }
  }
  const record = recordSchema.parse(
    JSON.parse(await readFile(path.join(folder, "build.json"), "utf8")),
  );
  const [file] = record.files;
  if (file === undefined) throw new Error(`${folder} has an empty record`);
  return { tar: path.join(folder, "layer.tar"), ...file };
}

/** A builder that packs a folder, filled by `fill`, the same way every time: sorted and timeless. */
export function treeLayer(fill: (tree: string) => Promise<void>): LayerSpec["build"] {
  return async (tar) => {
    const tree = await mkdtemp(path.join(tmpdir(), "stateful-cd-layer-"));
    try {
      await mkdir(path.join(tree, "root"), { mode: 0o755 });
      await fill(path.join(tree, "root"));
      await run("tar", [
        ...["--create", "--file", tar, "--directory", path.join(tree, "root")],
        ...["--sort=name", "--mtime=@0", "--numeric-owner", "--format=gnu", "."],
      ]);
    } finally {
      await rm(tree, { recursive: true, force: true });
    }
  };
}
