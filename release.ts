import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import { unreadable } from "./engine/files/readText";
import { excerpt } from "./engine/sql/sourceText";
import { UserError } from "./userError";
import { readYaml } from "./yamlShape";

const image = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._/-]*(:[0-9]+\/[a-z0-9._/-]+)?(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$/,
    {
      error: "must be an image with a tag or a digest, like registry/name:1.0.0",
    },
  );

const releaseSchema = z.strictObject({
  version: z.string(),
  backend: image,
  frontend: image,
  pooler: image,
  server: z.strictObject({
    image: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._/:-]*$/, { error: "must be an image without a tag" }),
    version: z.string().regex(/^\d+\.\d+$/, { error: 'must be a quoted version like "17.9"' }),
  }),
  migrations: z.strictObject({ folder: z.string(), last: z.string() }),
});

/** Everything that moves together from review to production: one file in releases/. */
export type Release = Readonly<z.infer<typeof releaseSchema>>;

/** The versions that a folder of release files holds, oldest first; none where it is no folder. */
export function listReleases(folder: string): string[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => name.slice(0, -".yaml".length))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/**
 * Reads <folder>/<version>.yaml.
 * @param folder relative to the project, e.g. releases
 * @throws UserError for a file that cannot be read, and with every mistake of a malformed one
 */
export function loadRelease(folder: string, version: string): Release {
  const name = path.join(folder, `${version}.yaml`);
  const source = { shownPath: name, text: textOf(name) };
  const { value, mistakes } = readYaml(source.text, () => releaseSchema);
  if (value?.version === version) return Object.freeze(value);
  const details = value
    ? [`version: is ${value.version}, the file's name says ${version}`]
    : mistakes.flatMap(({ message, offset }) => [message, ...excerpt(source, offset)]);
  throw new UserError(`${name} is not a release.`, details, `edit ${name}`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
}
