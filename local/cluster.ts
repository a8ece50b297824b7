import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, readlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../userError";
import { readIfPresent, writeAtomically } from "./atomicFile";
import { certificateText, ensureCertificates } from "./certificates";
import { createCgroups } from "./cgroups";
import { readClusterStatus, readOwner, type ClusterStatus } from "./clusterStatus";
import { run } from "./command";
import { configFiles, writeConfigFiles } from "./configFiles";
import { writeKubeconfigs } from "./kubeconfig";
import { createNetwork, inClusterNetwork, kubeletSysctls } from "./network";
import { cachePaths, type CachePaths, runtime } from "./paths";
import { mountPool, poolBytes } from "./pool";
import { processSpecs } from "./processSpecs";
import { signal, waitForNone, isAlive } from "./processTable";
import { sweep } from "./sweep";

const supervisorProgram = path.join(__dirname, "supervisor.js");

/** Certificates, kubeconfigs and configuration, and the hash of all that the cluster is started with. */
export async function prepareConfiguration(paths: CachePaths): Promise<string> {
  await mkdir(paths.cluster, { recursive: true, mode: 0o700 });
  await ensureCertificates(paths.pki);
  await writeKubeconfigs(paths);
  await writeConfigFiles(paths);
  const specs = processSpecs(paths);
  const hash = createHash("sha256");
  hash.update(JSON.stringify([specs, configFiles(paths)]));
  hash.update(await certificateText(paths.pki));
  for (const { command } of specs) {
    const [program] = command;
    // A link's target carries the content key of what it was built from.
    if (program?.startsWith(paths.bin) === true) hash.update(await readlink(program));
  }
  for (const name of ["supervisor.js", "supervisedProcess.js", "probe.js", "nodePorts.js"]) {
    hash.update(await readFile(path.join(__dirname, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** The running cluster's status, if it is ours, lives, and was started with this plan. */
export async function findRunning(
  paths: CachePaths,
  plan: string,
): Promise<ClusterStatus | undefined> {
  const status = await readClusterStatus();
  const owner = await readOwner();
  return owner?.cluster === paths.cluster && status?.plan === plan ? status : undefined;
}

/** Starts the cluster from whatever is there: leftovers of a crash are ended first. */
export async function startCluster(paths: CachePaths, plan: string): Promise<void> {
  await stopCluster(paths);
  await mkdir(runtime.root, { recursive: true, mode: 0o711 });
  await writeAtomically(
    runtime.owner,
    JSON.stringify({ cluster: paths.cluster, boot: await bootId() }),
  );
  await saveSysctls();
  await createCgroups();
  await keepHostNetwork();
  await createNetwork();
  await mountPool({ file: paths.poolFile, mountPoint: runtime.pool, bytes: poolBytes });
  await mountKubeletRoot(paths);
  for (const folder of [paths.etcd, paths.logs]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  await startSupervisor(paths, plan);
}

/** Stops the supervisor if one lives, and removes everything of ours from the machine. Data stays. */
export async function stopCluster(paths: CachePaths): Promise<void> {
  const status = await readClusterStatus();
  const owner = await readOwner();
  if (status !== undefined && owner?.cluster === paths.cluster) {
    signal(status.supervisor, "SIGTERM");
    const alive = async () => ((await isAlive(status.supervisor)) ? [status.supervisor] : []);
    for (const process_ of await waitForNone(alive, 60_000)) signal(process_, "SIGKILL");
  }
  if (owner !== undefined && owner.cluster !== paths.cluster) {
    if (status !== undefined) return;
    await sweep(cachePaths(path.dirname(owner.cluster)));
  }
  await sweep(paths);
}

/** Refuses to go on while a cluster of another cache folder runs on this machine. */
export async function refuseForeignCluster(paths: CachePaths): Promise<void> {
  const owner = await readOwner();
  if (owner === undefined || owner.cluster === paths.cluster) return;
  if ((await readClusterStatus()) === undefined) return;
  throw new UserError(
    "Another embedded cluster runs on this machine; their addresses are the same.",
    [`it belongs to the cache ${path.dirname(owner.cluster)}`],
    `STATEFUL_CD_CACHE=${path.dirname(owner.cluster)} make down`,
  );
}

async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

/** What the kubelet will change for the whole machine, as it is now. */
async function saveSysctls(): Promise<void> {
  const values: Record<string, string> = {};
  for (const name of kubeletSysctls) {
    const value = await readIfPresent(`/proc/sys/${name}`);
    if (value !== undefined) values[name] = value.trim();
  }
  await writeAtomically(runtime.sysctls, JSON.stringify(values));
}

/** A name for the network of whoever runs `make up`: the cluster's processes live in another. */
async function keepHostNetwork(): Promise<void> {
  await writeFile(runtime.hostNetwork, "");
  await run("mount", ["--bind", "/proc/self/ns/net", runtime.hostNetwork]);
}

/** The kubelet's folder at a short path, private so that no mount in it shows twice. */
async function mountKubeletRoot(paths: CachePaths): Promise<void> {
  await mkdir(paths.kubeletRoot, { recursive: true, mode: 0o750 });
  await mkdir(runtime.kubelet, { recursive: true, mode: 0o750 });
  await run("mount", ["--bind", paths.kubeletRoot, runtime.kubelet]);
  await run("mount", ["--make-private", runtime.kubelet]);
}

async function startSupervisor(paths: CachePaths, plan: string): Promise<void> {
  const log = path.join(paths.logs, "supervisor.log");
  const output = openSync(log, "a", 0o600);
  const [program, ...words] = inClusterNetwork;
  const child = spawn(program, [...words, process.execPath, supervisorProgram, paths.root, plan], {
    cwd: paths.cluster,
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  child.unref();
  const deadline = Date.now() + 10_000;
  while ((await readClusterStatus())?.plan !== plan) {
    if (Date.now() > deadline || child.exitCode !== null) {
      throw new UserError("The cluster's supervisor did not start.", [`log: ${log}`], "make up");
    }
    await sleep(50);
  }
}
