import { createHash } from "node:crypto";
import type { Release } from "../release";
import { type DeclaredChecks, readChecks } from "./integrityChecks";
import { type DeclaredHistory, readHistory } from "./schemaHistory";

/** A release with all it consists of. */
export interface ReleaseContents extends DeclaredHistory, DeclaredChecks {
  /** The version, e.g. 2.0.0. */
  readonly release: string;
  /** sha256 over everything that moves together: two stacks run the same release when it is equal. */
  readonly releaseDigest: string;
  readonly images: Pick<Release, "backend" | "frontend" | "pooler">;
  readonly server: Release["server"];
}

/**
 * Reads what a release's file only names: its migrations and the checks beside them.
 * @throws UserError with every mistake in the migrations
 */
export async function readContents(release: Release): Promise<ReleaseContents> {
  const history = await readHistory(release.migrations);
  const checks = readChecks(release.migrations);
  const { version, backend, frontend, pooler, server } = release;
  const images = { backend, frontend, pooler };
  const { baseline, migrations, repeatables } = history;
  const parts = [
    ...Object.entries(images),
    ["server", `${server.image}:${server.version}`],
    ...[...(baseline ? [baseline] : []), ...migrations].map(({ id, digest }) => [id, digest]),
    ...(repeatables === undefined ? [] : [["repeatable", repeatables]]),
    ["declared changes", checks.declarations],
  ];
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  return {
    ...history,
    ...checks,
    release: version,
    releaseDigest: `sha256:${digest}`,
    images,
    server,
  };
}
