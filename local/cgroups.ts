import { access, mkdir, readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { isMissing } from "./command";
import { cgroupRoot } from "./configFiles";
import { endAll, identify, type ProcessIdentity } from "./processTable";

/** The mount points of the cgroup hierarchies: one in version 2, one a controller in version 1. */
async function hierarchies(): Promise<string[]> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  return mounts
    .split("\n")
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(" ")[4])
    .filter((place) => place !== undefined);
}

async function ourFolders(): Promise<string[]> {
  return (await hierarchies()).map((root) => path.join(root, cgroupRoot));
}

/**
 * How many processes all pods together weigh as much as, where the machine is busy. A real node has
 * none of what runs beside them here, the CLI, its plugins and builds; with the kernel's default all
 * pods together weigh as much as one of these, and people's requests wait for seconds.
 */
const processesPodsWeigh = 4;
/** The weight of one process, by the file that sets a group's: versions 1 and 2. */
const weightOfProcess = { "cpu.shares": 1024, "cpu.weight": 100 };

/** Creates the cluster's cgroup in every hierarchy. In version 2 it offers what its parent lets through. */
export async function createCgroups(): Promise<void> {
  for (const root of await hierarchies()) {
    const gate = path.join(root, "cgroup.subtree_control");
    const controllers = await readFile(path.join(root, "cgroup.controllers"), "utf8").catch(gone);
    for (const name of controllers.trim().split(" ")) {
      if (name !== "") await writeFile(gate, `+${name}`);
    }
    const folder = path.join(root, cgroupRoot);
    await mkdir(folder, { recursive: true });
    const files = await readdir(folder);
    for (const [file, weight] of Object.entries(weightOfProcess)) {
      if (!files.includes(file)) continue;
      await writeFile(path.join(folder, file), String(processesPodsWeigh * weight));
    }
  }
}

/**
 * Ends every process in the pods: politely, then as PostgreSQL understands "now", then by force.
 * Expects that no kubelet lives to start them again. Returns what did not end.
 */
export function endPods(): Promise<ProcessIdentity[]> {
  return endAll(podProcesses, [
    ["SIGTERM", 4000],
    ["SIGINT", 6000],
    ["SIGKILL", 5000],
  ]);
}

/** Every process in a pod of ours. */
async function podProcesses(): Promise<ProcessIdentity[]> {
  const pids = new Set<number>();
  for (const root of await ourFolders()) {
    for (const folder of await descend(root)) {
      const text = await readFile(path.join(folder, "cgroup.procs"), "utf8").catch(gone);
      for (const line of text.split("\n")) if (line !== "") pids.add(Number(line));
    }
  }
  const found = await Promise.all([...pids].map(identify));
  return found.filter((identity) => identity !== undefined);
}

/** Removes the cluster's cgroups. Expects that no process is left in them; absence is fine. */
export async function removeCgroups(): Promise<void> {
  for (const root of await ourFolders()) {
    for (const folder of await descend(root)) await rmdir(folder);
  }
}

/** A folder and all below it, the deepest first. */
async function descend(folder: string): Promise<string[]> {
  try {
    await access(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  const entries = await readdir(folder, { withFileTypes: true });
  const inner = await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => descend(path.join(folder, entry.name))),
  );
  return [...inner.flat(), folder];
}

function gone(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENODEV") return "";
  throw error;
}
