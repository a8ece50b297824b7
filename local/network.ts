import { stat, writeFile } from "node:fs/promises";
import { UserError } from "../userError";
import { addresses } from "./addresses";
import { isMissing, run, succeeds } from "./command";
import { runtime } from "./paths";

const namespace = "stateful-cd";
const hostDevice = "stateful-cd";
const nodeDevice = "node0";

/** The words that make a command run inside the cluster's network, and otherwise on the machine. */
export const inClusterNetwork = ["nsenter", `--net=${runtime.networkNamespace}`] as const;

/** Creates the cluster's network namespace and the veth pair to it. Expects that neither exists. */
export async function createNetwork(): Promise<void> {
  await refuseTakenAddresses();
  await run("ip", ["netns", "add", namespace]);
  await run("ip", [
    ...["link", "add", hostDevice, "type", "veth", "peer", "name", nodeDevice, "netns", namespace],
  ]);
  await run("ip", ["addr", "add", `${addresses.host}/24`, "dev", hostDevice]);
  await run("ip", ["link", "set", hostDevice, "up"]);
  const inside = [...inClusterNetwork.slice(1), "ip"];
  await run("nsenter", [...inside, "link", "set", "lo", "up"]);
  await run("nsenter", [...inside, "addr", "add", `${addresses.node}/24`, "dev", nodeDevice]);
  await run("nsenter", [...inside, "link", "set", nodeDevice, "up"]);
  // The node's own calls to Service addresses are rewritten on their way out, so there must be a
  // way. There is none to anywhere else: pods reach nothing but the cluster.
  await run("nsenter", [...inside, "route", "add", addresses.services, "via", addresses.host]);
  await run("nsenter", [...inClusterNetwork.slice(1), "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
}

/** Removes both, with every address, route, rule and pod device in them. Absence is fine. */
export async function removeNetwork(): Promise<void> {
  if (await succeeds("ip", ["link", "show", hostDevice])) {
    await run("ip", ["link", "delete", hostDevice]);
  }
  if (await exists(runtime.networkNamespace)) await run("ip", ["netns", "delete", namespace]);
}

async function refuseTakenAddresses(): Promise<void> {
  const routes = await run("ip", ["-4", "route", "show", "to", "match", addresses.node]);
  const taken = routes.split("\n").filter((line) => line !== "" && !line.startsWith("default"));
  if (taken.length === 0) return;
  throw new UserError(
    `The embedded cluster's network ${addresses.nodeNetwork} is used by something else.`,
    taken,
    "free it, or use a cluster of your own: STATEFUL_CD_CONTEXT=<context> make check",
  );
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** What the kubelet sets for the whole machine, and `make down` puts back. */
export const kubeletSysctls = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
] as const;

/** Writes one sysctl of the machine. */
export async function writeSysctl(name: string, value: string): Promise<void> {
  await writeFile(`/proc/sys/${name}`, value);
}
