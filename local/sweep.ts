import { readFile, readdir, readlink, rm } from "node:fs/promises";
import path from "node:path";
import { UserError } from "../userError";
import { readJson } from "./atomicFile";
import { endPods, removeCgroups } from "./cgroups";
import { isMissing, run } from "./command";
import { kubeletSysctls, removeNetwork, writeSysctl } from "./network";
import { type CachePaths, runtime } from "./paths";
import { poolBytes, unmountPool } from "./pool";
import { endAll, markedProcesses, type ProcessIdentity } from "./processTable";

/**
 * Ends and removes everything of the cluster that is on the machine, whatever state a crash, a kill
 * or a reboot has left it in, and nothing else: processes by the mark in their environment, pods by
 * their cgroup, mounts by their place, the network by its namespace. Data stays. Repeating it is
 * harmless. Expects that the supervisor has been asked to stop, if one lives.
 */
export async function sweep(paths: CachePaths): Promise<void> {
  await endProcesses(paths);
  await removeCgroups();
  await unmountBelow(runtime.root);
  await unmountPool({ file: paths.poolFile, mountPoint: runtime.pool, bytes: poolBytes });
  await removeNetwork();
  await restoreSysctls();
  await removeLogLinks(paths);
  await removeAddressCache();
  await removeDevicePlugins();
  await rm(runtime.root, { recursive: true, force: true });
}

async function endProcesses(paths: CachePaths): Promise<void> {
  // First whoever would start things again, then the pods. The shims go last, since they report
  // their pods' end.
  const ours = () => markedProcesses(paths.cluster);
  const shims = async () => {
    const all = await ours();
    const names = await Promise.all(all.map((process_) => programOf(process_)));
    return all.filter((_, index) => names[index]?.startsWith("containerd-shim") !== true);
  };
  const left = [
    ...(await endAll(shims, [
      ["SIGTERM", 10_000],
      ["SIGKILL", 5000],
    ])),
    ...(await endPods()),
    ...(await endAll(ours, [
      ["SIGTERM", 500],
      ["SIGKILL", 5000],
    ])),
  ];
  if (left.length === 0) return;
  throw new UserError(
    "Some processes of the embedded cluster do not end.",
    left.map((process_) => `pid ${process_.pid}`),
    "look at them with ps, then: make down",
  );
}

async function programOf(process_: ProcessIdentity): Promise<string> {
  try {
    return await readFile(`/proc/${process_.pid}/comm`, "utf8");
  } catch (error) {
    if (isMissing(error)) return "";
    throw error;
  }
}

async function mountsBelow(root: string): Promise<string[]> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  return mounts
    .split("\n")
    .map((line) => line.split(" ")[4]?.replaceAll("\\040", " "))
    .filter((place) => place !== undefined)
    .filter((place) => place.startsWith(`${root}/`));
}

/** The latest first, since a mount may lie on another; the table is read anew after each. */
async function unmountBelow(root: string): Promise<void> {
  let places = await mountsBelow(root);
  let last = places.at(-1);
  while (last !== undefined) {
    await run("umount", [last]);
    const before = places.length;
    places = await mountsBelow(root);
    if (places.length >= before) throw new Error(`umount ${last} had no effect`);
    last = places.at(-1);
  }
}

async function restoreSysctls(): Promise<void> {
  const saved = await readJson(runtime.sysctls);
  if (typeof saved !== "object" || saved === null) return;
  for (const name of kubeletSysctls) {
    const value: unknown = Object.entries(saved).find(([key]) => key === name)?.[1];
    if (typeof value === "string") await writeSysctl(name, value);
  }
}

/** The kubelet links every container's log into a folder it shares with any other kubelet. */
async function removeLogLinks(paths: CachePaths): Promise<void> {
  const folder = "/var/log/containers";
  for (const name of await namesIn(folder)) {
    const link = path.join(folder, name);
    if ((await readlink(link)).startsWith(`${paths.podLogs}/`)) await rm(link);
  }
}

/** CNI remembers its answers outside our folder; ours name a network namespace in it. */
async function removeAddressCache(): Promise<void> {
  const folder = "/var/lib/cni/results";
  for (const name of await namesIn(folder)) {
    const file = path.join(folder, name);
    if ((await readFile(file, "utf8")).includes(`${runtime.root}/`)) await rm(file);
  }
}

/** The kubelet makes this folder wherever its own lies; its socket there is of no use to us. */
async function removeDevicePlugins(): Promise<void> {
  const folder = "/var/lib/kubelet/device-plugins";
  const names = await namesIn(folder);
  if (names.length !== 1 || names[0] !== "kubelet.sock") return;
  const listening = (await readFile("/proc/net/unix", "utf8")).includes(`${folder}/kubelet.sock`);
  if (listening) return; // another kubelet's
  await rm(folder, { recursive: true });
  const parent = path.dirname(folder);
  if ((await namesIn(parent)).length === 0) await rm(parent, { recursive: true });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
