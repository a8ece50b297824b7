import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { run } from "./command";
import { type Layer } from "./layers";

/** What a container of the image runs, in the words of the OCI image specification. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
}

/** An image ready to be imported: its documents and the layers they name. */
export interface Image {
  readonly reference: string;
  readonly config: string;
  readonly manifest: string;
  /** Digest of the manifest: what containerd knows the image by. */
  readonly digest: string;
  readonly layers: readonly Layer[];
}

const mediaType = (kind: string) => `application/vnd.oci.image.${kind}`;
const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** Composes an image of layers. Pure: the same layers and configuration have the same digest. */
export function composeImage(
  reference: string,
  layers: readonly Layer[],
  imageConfig: ImageConfig,
): Image {
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: imageConfig,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${layer.sha256}`) },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaType("manifest.v1+json"),
    config: {
      mediaType: mediaType("config.v1+json"),
      digest: digestOf(config),
      size: Buffer.byteLength(config),
    },
    layers: layers.map((layer) => ({
      mediaType: mediaType("layer.v1.tar"),
      digest: `sha256:${layer.sha256}`,
      size: layer.size,
    })),
  });
  return { reference, config, manifest, digest: digestOf(manifest), layers };
}

/**
 * Writes images as one OCI archive for `ctr images import`: layers they share are in it once. The
 * archive lives only while `use` runs.
 */
export async function withArchive<T>(
  images: readonly Image[],
  use: (archive: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "stateful-cd-images-"));
  try {
    const layout = path.join(folder, "layout");
    const blobs = path.join(layout, "blobs", "sha256");
    await mkdir(blobs, { recursive: true });
    const layers = new Map<string, string>();
    for (const image of images) {
      for (const text of [image.config, image.manifest]) {
        await writeFile(path.join(blobs, digestOf(text).slice("sha256:".length)), text);
      }
      for (const layer of image.layers) layers.set(layer.sha256, layer.tar);
    }
    for (const [sha256, tar] of layers) await symlink(tar, path.join(blobs, sha256));
    await writeFile(path.join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(path.join(layout, "index.json"), indexOf(images));
    const archive = path.join(folder, "images.tar");
    await run("tar", ["--create", "--dereference", "--file", archive, "--directory", layout, "."]);
    return await use(archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function indexOf(images: readonly Image[]): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaType("index.v1+json"),
    manifests: images.map((image) => ({
      mediaType: mediaType("manifest.v1+json"),
      digest: image.digest,
      size: Buffer.byteLength(image.manifest),
      platform: { architecture: "amd64", os: "linux" },
      annotations: { "io.containerd.image.name": image.reference },
    })),
  });
}
