import { KubeConfig, CoreV1Api, StorageV1Api } from "../kube/clusterClient";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../userError";
import { apiServer, nodeName } from "./addresses";
import { readIfPresent, writeAtomically } from "./atomicFile";
import { check } from "./check";
import { findRunning, prepareConfiguration, refuseForeignCluster, startCluster } from "./cluster";
import { readClusterStatus, type ProcessStatus } from "./clusterStatus";
import { type Choice } from "./environment";
import { formatDuration } from "./estimate";
import { ensureImages } from "./images";
import { withLock } from "./lock";
import { clusterPackages, ensurePackages, requireMachine } from "./machine";
import { applyManifests, manifestsKey } from "./manifests";
import { type CachePaths, runtime } from "./paths";
import { preparePulumi } from "./pulumi";
import { ensureToolchain } from "./toolchain";

const patience = 180_000;

/** Brings up whatever is not given: the embedded cluster, Pulumi, both or neither. */
export async function up(paths: CachePaths, choice: Choice): Promise<void> {
  const started = Date.now();
  const wanted = {
    cluster: choice.context === undefined,
    pulumi: choice.foreignPulumi === undefined,
  };
  if (wanted.cluster) await requireMachine();
  await withClusterLock("make up", async () => {
    if (wanted.cluster) {
      await refuseForeignCluster(paths);
      await ensurePackages(clusterPackages);
    }
    await ensureToolchain(paths, wanted);
    await preparePulumi(paths);
    if (wanted.cluster) await upCluster(paths, started);
  });
  if (!wanted.cluster) await check(paths, choice);
}

/** Builds the images and hands them to the running cluster, without touching anything else. */
export async function buildImages(paths: CachePaths): Promise<void> {
  await requireMachine();
  await withClusterLock("make images", async () => {
    await ensurePackages(clusterPackages);
    const imported = await ensureImages(paths, () => waitForProcess(paths, "containerd"));
    console.log(`Images: ${imported === 0 ? "all present" : `${imported} imported`}`);
  });
}

async function upCluster(paths: CachePaths, started: number): Promise<void> {
  const plan = await prepareConfiguration(paths);
  const running = await findRunning(paths, plan);
  const changed = running === undefined;
  if (changed) {
    console.log("Starting the cluster");
    await startCluster(paths, plan);
  }
  const manifests = await manifestsKey();
  if ((await readIfPresent(runtime.manifestsApplied)) !== manifests) {
    await waitForProcess(paths, "kube-apiserver");
    await applyManifests(paths.adminKubeconfig);
    await writeAtomically(runtime.manifestsApplied, manifests);
  }
  const imported = await ensureImages(paths, () => waitForProcess(paths, "containerd"));
  await waitForAll(paths);
  await waitForNode(paths);
  const what =
    changed || imported > 0 ? `up after ${formatDuration((Date.now() - started) / 1000)}` : "up";
  console.log(`Cluster: ${what}, ${apiServer}, kubeconfig ${paths.kubeconfig}`);
}

/** One `up`, `down` or `clean` at a time on this machine. */
export async function withClusterLock<T>(holder: string, work: () => Promise<T>): Promise<T> {
  return withLock(
    "cluster",
    `${holder} (pid ${process.pid})`,
    (other) => {
      console.log(`Waiting for ${other} to finish`);
    },
    work,
  );
}

async function waitForProcess(paths: CachePaths, name: string): Promise<void> {
  await waitUntil(paths, (processes) =>
    processes.some((process_) => process_.name === name && process_.state === "ready"),
  );
}

async function waitForAll(paths: CachePaths): Promise<void> {
  await waitUntil(paths, (processes) => processes.every((process_) => process_.state === "ready"));
}

async function waitUntil(
  paths: CachePaths,
  isDone: (processes: readonly ProcessStatus[]) => boolean,
): Promise<void> {
  const deadline = Date.now() + patience;
  for (;;) {
    const status = await readClusterStatus();
    if (status === undefined) {
      const log = path.join(paths.logs, "supervisor.log");
      throw new UserError("The cluster's supervisor has ended.", [`log: ${log}`], "make up");
    }
    if (isDone(status.processes)) return;
    if (Date.now() > deadline) throw await notReady(paths, status.processes);
    await sleep(100);
  }
}

async function notReady(
  paths: CachePaths,
  processes: readonly ProcessStatus[],
): Promise<UserError> {
  const late = processes.filter((process_) => process_.state !== "ready");
  const details = late.map(
    ({ name, state, problem }) => `${name}: ${state}${problem === undefined ? "" : `, ${problem}`}`,
  );
  const first = late.find((process_) => process_.state !== "waiting") ?? late[0];
  if (first !== undefined) {
    const log = path.join(paths.logs, `${first.name}.log`);
    const lines = existsSync(log) ? (await readFile(log, "utf8")).trim().split("\n") : [];
    details.push(`${log} ends with:`, ...lines.slice(-5).map((line) => `  ${line.slice(0, 200)}`));
  }
  return new UserError(
    `The cluster is not ready after ${formatDuration(patience / 1000)}.`,
    details,
    "make down, then: make up",
  );
}

/** The node takes pods, and its storage driver has registered. */
async function waitForNode(paths: CachePaths): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(paths.adminKubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const storage = config.makeApiClient(StorageV1Api);
  const deadline = Date.now() + patience;
  let missing = "";
  while (Date.now() < deadline) {
    const [nodes, drivers] = await Promise.all([core.listNode(), storage.listCSINode()]);
    const node = nodes.items.find((item) => item.metadata?.name === nodeName);
    const ready = node?.status?.conditions?.find((condition) => condition.type === "Ready");
    const hasDriver = drivers.items.some((item) =>
      item.spec.drivers.some((driver) => driver.name === "btrfs.local"),
    );
    if (ready?.status === "True" && hasDriver) return;
    missing =
      ready?.status === "True"
        ? "the storage driver has not registered with the kubelet"
        : (ready?.message ?? "the kubelet has not registered the node");
    await sleep(200);
  }
  throw new UserError(
    "The node is not ready.",
    [missing, `logs: ${paths.logs}`],
    "make down, then: make up",
  );
}
