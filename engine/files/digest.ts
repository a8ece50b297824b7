import { hash } from "node:crypto";

/** A sha256 as it is stored and shown: `sha256:` and 64 hexadecimal digits. */
export type Digest = `sha256:${string}`;

export function digestOf(text: string): Digest {
  return `sha256:${hash("sha256", text, "hex")}`;
}

/** A checkout on Windows must not look like an edit: line ends are part of no checksum. */
export function normaliseLineEnds(text: string): string {
  return text.replace(/\r\n/g, "\n");
}

/**
 * The digest of several named texts in order. Each is hashed on its own first, so that no text can
 * pass for a name or for two texts.
 */
export function digestOfFiles(files: readonly { path: string; digest: Digest }[]): Digest {
  return digestOf(files.map((file) => `${JSON.stringify(file.path)} ${file.digest}\n`).join(""));
}

/** The digest of a whole history: it changes when any migration, its name or its place changes. */
export function chainDigest(migrations: readonly { id: string; digest: Digest }[]): Digest {
  return migrations.reduce<Digest>(
    (chain, { id, digest }) => digestOf(`${chain} ${JSON.stringify(id)} ${digest}`),
    digestOf(""),
  );
}
