import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { endPods } from "./cgroups";
import { type ClusterStatus } from "./clusterStatus";
import { cachePaths, runtime } from "./paths";
import { readProbeIdentity } from "./probe";
import { processSpecs } from "./processSpecs";
import { identify, marker } from "./processTable";
import { SupervisedProcess } from "./supervisedProcess";

const lookEvery = 150;
const patience = 10_000;

/**
 * The cluster's one parent process, started by `make up` inside the cluster's network namespace with
 * the cache folder and the plan's hash as arguments. It ends, with all its children, on SIGTERM.
 */
async function supervise(cache: string, plan: string): Promise<void> {
  const paths = cachePaths(cache);
  const self = await identify(process.pid);
  if (self === undefined) throw new Error("/proc does not show this process");
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 });

  const processes: SupervisedProcess[] = [];
  let last = "";
  const writeStatus = () => {
    const status: ClusterStatus = {
      plan,
      supervisor: self,
      processes: processes.map((process_) => process_.status()),
    };
    const text = JSON.stringify(status, undefined, 2);
    if (text === last) return;
    writeFileSync(`${runtime.status}.draft`, text);
    renameSync(`${runtime.status}.draft`, runtime.status);
    last = text;
  };
  const around = {
    logs: paths.logs,
    cwd: paths.cluster,
    environment: { PATH: process.env.PATH, [marker]: paths.cluster },
    identity: readProbeIdentity(paths.pki),
    isReady: (name: string) =>
      processes.some((process_) => process_.spec.name === name && process_.isReady),
    onChange: writeStatus,
  };
  processes.push(...processSpecs(paths).map((spec) => new SupervisedProcess(spec, around)));
  writeStatus();

  const timers = processes.map((process_) => {
    let busy = false;
    return setInterval(() => {
      if (busy) return;
      busy = true;
      void process_.look(Date.now()).finally(() => {
        busy = false;
      });
    }, lookEvery);
  });
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  for (const timer of timers) clearInterval(timer);
  // One after the other: each may still need those that were started before it.
  for (const process_ of [...processes].reverse()) {
    await process_.stop(patience);
    // With the kubelet gone nobody starts pods again, and containerd still cleans up after them.
    if (process_.spec.name === "kubelet") await endPods();
  }
}

const [cache, plan] = process.argv.slice(2);
if (cache === undefined || plan === undefined) throw new Error("usage: supervisor CACHE PLAN");
void supervise(cache, plan).then(() => process.exit(0));
