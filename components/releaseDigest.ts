import { createHash } from "node:crypto";
import type { Release } from "../release";
import type { DeclaredMigration } from "./schemaHistory";

/** What a release consists of besides its file. */
export interface ReleaseContents {
  readonly release: Release;
  readonly baseline?: DeclaredMigration | undefined;
  readonly migrations: readonly DeclaredMigration[];
}

/**
 * sha256 over everything that moves together: images, server, and every migration's files with the
 * checks beside them. Two stacks run the same release when it is equal.
 */
export function digestRelease({ release, baseline, migrations }: ReleaseContents): string {
  const { backend, frontend, pooler, server } = release;
  const contents = [
    ["backend", backend],
    ["frontend", frontend],
    ["pooler", pooler],
    ["server", `${server.image}:${server.version}`],
    ...[...(baseline ? [baseline] : []), ...migrations].map(({ id, digest }) => [id, digest]),
  ];
  return `sha256:${createHash("sha256").update(JSON.stringify(contents)).digest("hex")}`;
}
