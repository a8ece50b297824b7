import {
  chmod,
  link as hardLink,
  mkdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { UserError } from "../userError";
import { readIfPresent } from "./atomicFile";
import { buildFolder, isIntact } from "./builtFolder";
import { CommandError, isMissing, run } from "./command";
import { contentKey } from "./contentKey";
import { clusterModules, pluginLinks, pulumiModules, type GoModule } from "./goModules";
import { type CachePaths, repository } from "./paths";
import { pulumiScripts } from "./pulumiScripts";
import { runWithProgress, type WatchedStep } from "./progress";

interface PlannedModule {
  readonly module: GoModule;
  readonly source: string;
  readonly output: string;
  readonly flags: readonly string[];
}

/** Which programs are wanted: the cluster's, Pulumi's, or both. */
export interface Wanted {
  readonly cluster: boolean;
  readonly pulumi: boolean;
}

/**
 * Sees to it that every wanted program is built, whole and linked into `bin/`. Builds only what is
 * missing, changed or damaged; all downloads come before the first build.
 */
export async function ensureToolchain(paths: CachePaths, wanted: Wanted): Promise<void> {
  const modules = [
    ...(wanted.cluster ? clusterModules : []),
    ...(wanted.pulumi ? pulumiModules : []),
  ];
  if (modules.length === 0) return;
  const goVersion = (await run("go", ["env", "GOVERSION"])).trim();
  const planned = await Promise.all(modules.map((module) => plan(paths, module, goVersion)));
  const missing: PlannedModule[] = [];
  for (const item of planned) if (!(await isIntact(item.output))) missing.push(item);
  if (missing.length > 0) {
    console.log(
      `Building ${missing.map((item) => item.module.name).join(", ")}: once, into ${paths.builds}`,
    );
    await runWithProgress([...missing.map(downloadStep), ...missing.map(buildStep)]);
  }
  await linkPrograms(paths, planned, wanted.pulumi);
}

async function plan(
  paths: CachePaths,
  module: GoModule,
  goVersion: string,
): Promise<PlannedModule> {
  const source = path.join(repository, "local", module.folder);
  const versions = Object.entries(module.versions).map(([name, value]) => `-X ${name}=${value}`);
  const flags = ["-trimpath", "-buildvcs=false", "-ldflags", ["-s -w", ...versions].join(" ")];
  const key = await contentKey([goVersion, process.arch, ...module.packages, ...flags], [source]);
  return { module, source, output: path.join(paths.builds, `${module.name}-${key}`), flags };
}

function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off", GOTOOLCHAIN: "local" };
}

/** Fetches all modules at once, in parallel; the build would fetch them as it comes upon them. */
function downloadStep({ module, source }: PlannedModule): WatchedStep<void> {
  return {
    label: `download modules of ${module.name}`,
    referenceSeconds: module.referenceSeconds.download,
    work: () => go(module.name, ["mod", "download"], source),
  };
}

function buildStep({ module, source, output, flags }: PlannedModule): WatchedStep<void> {
  return {
    label: `build ${module.name}`,
    referenceSeconds: module.referenceSeconds.build,
    work: () =>
      buildFolder(output, module.programs, async (draft) => {
        const target = module.packages.length === 1 ? path.join(draft, firstOf(module)) : draft;
        await go(module.name, ["build", ...flags, "-o", target, ...module.packages], source);
      }),
  };
}

function firstOf(module: GoModule): string {
  const [program] = module.programs;
  if (program === undefined) throw new Error(`${module.name} builds no program`);
  return program;
}

async function go(name: string, args: readonly string[], cwd: string): Promise<void> {
  try {
    await run("go", args, { cwd, env: goEnvironment() });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UserError(
      `The Go module ${name} could not be built (go ${args[0] ?? ""}).`,
      error.lastWords.slice(-8),
      "mend the cause, then: make up (finished builds are kept)",
    );
  }
}

async function linkPrograms(
  paths: CachePaths,
  planned: readonly PlannedModule[],
  withPulumi: boolean,
): Promise<void> {
  const targets = new Map<string, string>();
  for (const { module, output } of planned) {
    for (const program of module.programs) targets.set(program, path.join(output, program));
  }
  if (withPulumi) await bundleCli(paths, targets);
  for (const [program, target] of targets) await link(path.join(paths.bin, program), target);
  if (!withPulumi) return;
  for (const [place, program] of pluginLinks(paths)) {
    const target = targets.get(program);
    if (target !== undefined) await link(place, target);
  }
}

/**
 * Puts the CLI into one folder with what a release of Pulumi ships beside it: only there does the CLI
 * take them for its own instead of warning, at every command, that they lie on PATH. It looks beside
 * its own file, links resolved, so that one is a hard link.
 */
async function bundleCli(paths: CachePaths, targets: Map<string, string>): Promise<void> {
  const cli = path.join(paths.pulumiCli, "pulumi");
  const languageHost = targets.get("pulumi-language-nodejs");
  const built = targets.get("pulumi");
  if (built === undefined || languageHost === undefined) return;
  await mkdir(paths.pulumiCli, { recursive: true });
  if ((await inodeOf(cli)) !== (await inodeOf(built))) {
    await rm(`${cli}.draft`, { force: true });
    await hardLink(built, `${cli}.draft`);
    await rename(`${cli}.draft`, cli);
  }
  for (const [name, text] of await pulumiScripts(paths.pulumiCli, languageHost)) {
    await writeScript(path.join(paths.pulumiCli, name), text);
  }
  targets.set("pulumi", cli);
}

async function inodeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function link(place: string, target: string): Promise<void> {
  const current = await readlink(place).catch((error: unknown) => {
    // EINVAL: something lies there that is no link; it is replaced.
    const isOther = error instanceof Error && "code" in error && error.code === "EINVAL";
    if (isMissing(error) || isOther) return undefined;
    throw error;
  });
  if (current === target) return;
  await mkdir(path.dirname(place), { recursive: true });
  const draft = `${place}.draft`;
  await rm(draft, { force: true });
  await symlink(target, draft);
  await rename(draft, place);
}

async function writeScript(place: string, text: string): Promise<void> {
  if ((await readIfPresent(place)) === text) {
    const { mode } = await stat(place);
    if ((mode & 0o111) !== 0) return;
  }
  await mkdir(path.dirname(place), { recursive: true });
  // What lies there may be a link, whose target is another program.
  await rm(place, { force: true });
  await writeFile(place, text);
  await chmod(place, 0o755);
}
