import { accessSync, constants } from "node:fs";
import path from "node:path";
import { addresses } from "./addresses";
import { isMissing } from "./command";
import { type CachePaths } from "./paths";

/** Where cluster and Pulumi come from: what is given is used, the rest is embedded. */
export interface Choice {
  /** The context of a cluster of one's own; undefined for the embedded one. */
  readonly context: string | undefined;
  /** A `pulumi` on PATH that is not ours; undefined where ours is used. */
  readonly foreignPulumi: string | undefined;
}

export function choose(paths: CachePaths, environment: NodeJS.ProcessEnv): Choice {
  const context = environment.STATEFUL_CD_CONTEXT;
  return {
    context: context === "" ? undefined : context,
    foreignPulumi: findProgram("pulumi", environment.PATH ?? "", paths.bin),
  };
}

/** The kubeconfig context under which the chosen cluster is asked. */
export function contextOf({ context }: Choice): string {
  return context ?? "stateful-cd";
}

/** The first executable of that name on a search path, one folder left out. */
export function findProgram(name: string, searchPath: string, except: string): string | undefined {
  return searchPath
    .split(path.delimiter)
    .filter((folder) => folder !== "" && path.resolve(folder) !== path.resolve(except))
    .map((folder) => path.join(folder, name))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (isMissing(error) || code === "EACCES" || code === "ENOTDIR") return false;
    throw error;
  }
}

/** The variables with which `pulumi` and `kubectl` work on what `make up` brought up. */
export function variables(
  paths: CachePaths,
  choice: Choice,
  environment: NodeJS.ProcessEnv,
): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  const searchPath = environment.PATH ?? "";
  const withBin = searchPath.split(path.delimiter).includes(paths.bin)
    ? searchPath
    : `${paths.bin}${path.delimiter}${searchPath}`;
  if (choice.foreignPulumi === undefined) {
    result.set("PATH", withBin);
    result.set("PULUMI_HOME", paths.pulumiHome);
    // The CLI's own plugins lie beside it and in its home; nothing on PATH is meant for it.
    result.set("PULUMI_IGNORE_AMBIENT_PLUGINS", "true");
  }
  if (choice.context === undefined) {
    result.set("KUBECONFIG", paths.kubeconfig);
    // Go and browsers would ask a proxy for the cluster's address, which no proxy can reach.
    const proxied = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].some(
      (name) => (environment[name] ?? "") !== "",
    );
    if (proxied) {
      const others = environment.NO_PROXY ?? environment.no_proxy ?? "";
      result.set("NO_PROXY", [...others.split(","), addresses.node].filter(Boolean).join(","));
    }
  }
  result.set("PULUMI_BACKEND_URL", `file://${paths.pulumiState}`);
  result.set("PULUMI_CONFIG_PASSPHRASE_FILE", paths.passphrase);
  result.set("PULUMI_SKIP_UPDATE_CHECK", "true");
  // Refresh and destroy need the program too: it is the tunnel that @pulumi/postgresql connects to.
  result.set("PULUMI_RUN_PROGRAM", "true");
  // The file backend rewrites the whole state at every step: less to write.
  result.set("PULUMI_DIY_BACKEND_GZIP", "true");
  return result;
}

/** The whole environment for a child process: this process's own, with those variables. */
export function environmentOf(paths: CachePaths): NodeJS.ProcessEnv {
  const values = variables(paths, choose(paths, process.env), process.env);
  return { ...process.env, ...Object.fromEntries(values) };
}

/** As `export` lines for a shell, quoted so that any path survives. */
export function shellExports(values: ReadonlyMap<string, string>): string {
  return [...values]
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`)
    .join("\n");
}
