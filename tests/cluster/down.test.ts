import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { CoreV1Api } from "../../kube/clusterClient";
import { readClusterStatus } from "../../local/clusterStatus";
import { kubeletSysctls } from "../../local/network";
import { cachePaths, cacheRoot, repository, runtime } from "../../local/paths";
import { markedProcesses } from "../../local/processTable";
import { apply, eventually, identity, pod, runPod } from "../pods";

const namespace = "bookkeeper-down-test";
const place = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
const paths = cachePaths(cacheRoot(process.env));

function make(command: "up" | "down"): void {
  const cli = path.join(repository, "dist", "local", "cli.js");
  execFileSync(process.execPath, [cli, command], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Everything of the machine that the cluster could have left something in, as text. */
async function traces(): Promise<Record<string, string>> {
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { encoding: "utf8" });
  const names = async (folder: string) =>
    existsSync(folder) ? (await readdir(folder)).sort().join(" ") : "absent";
  const cgroups = (await readdir("/sys/fs/cgroup")).map(
    (name) => `/sys/fs/cgroup/${name}/stateful-cd`,
  );
  return {
    processes: (await markedProcesses(paths.cluster)).map(({ pid }) => pid).join(" "),
    mounts: readFileSync("/proc/mounts", "utf8"),
    loops: run("losetup", "--list"),
    devices: run("ip", "-brief", "link").replace(/\s+/g, " "),
    routes: run("ip", "route"),
    namespaces: run("ip", "netns"),
    rules: run("iptables-save").replace(/^#.*$/gm, ""),
    cgroups: ["/sys/fs/cgroup/stateful-cd", ...cgroups].filter(existsSync).join(" "),
    runtime: existsSync(runtime.root) ? "present" : "absent",
    logs: await names("/var/log/containers"),
    kubelet: await names("/var/lib/kubelet"),
    addresses: await names("/var/lib/cni/results"),
    sysctls: kubeletSysctls
      .map((name) => readFileSync(`/proc/sys/${name}`, "utf8").trim())
      .join(" "),
  };
}

describe("make down", function () {
  this.timeout(300_000);
  const admin = identity("admin");
  const core = admin.makeApiClient(CoreV1Api);

  after(async () => {
    make("up");
    await core.deleteNamespace({ name: namespace });
  });

  it("leaves nothing on the machine, after a kill of the supervisor too, and keeps all data", async () => {
    await apply(admin, place, {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "kept", namespace },
      spec: { accessModes: ["ReadWriteOncePod"], resources: { requests: { storage: "64Mi" } } },
    } as object);
    await runPod(namespace, "writer", "echo kept >/data/file", "kept");
    make("down");
    const clean = await traces();
    assert.equal(clean.processes, "");
    assert.equal(clean.cgroups, "");
    assert.equal(clean.runtime, "absent");
    assert.doesNotMatch(Object.values(clean).join("\n"), /stateful-cd|KUBE-|CNI-|10\.24[34]\./);

    make("up");
    await apply(admin, pod(namespace, "sleeper", "sleep 1000"));
    await eventually("the sleeping pod", 60, async () => {
      const { status } = await core.readNamespacedPod({ namespace, name: "sleeper" });
      return status?.phase === "Running" ? true : undefined;
    });
    const status = await readClusterStatus();
    assert.ok(status);
    process.kill(status.supervisor.pid, "SIGKILL");
    assert.notEqual((await markedProcesses(paths.cluster)).length, 0);
    make("down");
    assert.deepEqual(await traces(), clean);

    make("up");
    assert.equal(await runPod(namespace, "reader", "cat /data/file", "kept"), "kept");
  });
});
