import { readFile } from "node:fs/promises";
import { release } from "node:os";
import { UserError } from "../userError";
import { isMissing, run, succeeds } from "./command";

const leastNode = [20];
const leastGo = [1, 26];
/** btrfs simple quotas came with Linux 6.7. */
const leastKernel = [6, 7];

/** Debian packages, each with the program that shows it is there. */
export type Packages = Readonly<Record<string, string>>;

/** What the page's tests need beside the cluster. */
export const browserPackages: Packages = { chromium: "/usr/bin/chromium" };

/** What the embedded cluster needs. */
export const clusterPackages: Packages = {
  "btrfs-progs": "mkfs.btrfs",
  catatonit: "catatonit",
  conntrack: "conntrack",
  containerd: "containerd",
  "containernetworking-plugins": "/usr/lib/cni/ptp",
  ethtool: "ethtool",
  iproute2: "ip",
  iptables: "iptables",
  mmdebstrap: "mmdebstrap",
  mount: "losetup",
  openssl: "openssl",
  procps: "sysctl",
  "python3-pip": "pip3",
  runc: "runc",
  unzip: "unzip",
  "util-linux": "nsenter",
};

/** Whether a version, as it prints itself, is at least the given one. */
export function isAtLeast(printed: string, least: readonly number[]): boolean {
  const numbers = (/\d+(\.\d+)*/.exec(printed)?.[0] ?? "").split(".").map(Number);
  for (const [index, wanted] of least.entries()) {
    const had = numbers[index] ?? 0;
    if (had !== wanted) return had > wanted;
  }
  return true;
}

/** Refuses a machine that cannot carry the embedded cluster: everything it lacks in one error. */
export async function requireMachine(): Promise<void> {
  const gaps: string[] = [];
  const need = (what: string, printed: string, least: readonly number[]) => {
    if (!isAtLeast(printed, least))
      gaps.push(`${what} ${least.join(".")} or later; here: ${printed}`);
  };
  need("Node", process.version, leastNode);
  need("Linux", release(), leastKernel);
  need("Go", await goVersion(), leastGo);
  if (process.arch !== "x64") gaps.push(`an x86-64 processor; here: ${process.arch}`);
  if (process.getuid?.() !== 0) {
    gaps.push("root: the cluster mounts volumes and starts containers");
  }
  if (gaps.length === 0) return;
  throw new UserError(
    "This machine cannot carry the embedded cluster.",
    gaps.map((gap) => `needed: ${gap}`),
    "mend that, or use a cluster of your own: STATEFUL_CD_CONTEXT=<context> make up",
  );
}

async function goVersion(): Promise<string> {
  try {
    // GOTOOLCHAIN=local: the Go that is installed, not one that it would fetch.
    return (await run("go", ["version"], { env: { ...process.env, GOTOOLCHAIN: "local" } }))
      .replace("go version go", "")
      .trim();
  } catch (error) {
    if (isMissing(error)) return "none";
    throw error;
  }
}

/** Installs the packages that are missing, or names them where it cannot. */
export async function ensurePackages(packages: Packages): Promise<void> {
  const missing: string[] = [];
  for (const [name, program] of Object.entries(packages)) {
    if (!(await hasProgram(program))) missing.push(name);
  }
  if (missing.length === 0) return;
  const command = `apt-get install ${missing.join(" ")}`;
  if (process.getuid?.() !== 0 || !(await isDebian())) {
    throw new UserError(
      "Packages are needed that are not installed.",
      [missing.join(", ")],
      `${command} (or their like on this system), then the same again`,
    );
  }
  console.log(`Installing Debian packages: ${missing.join(", ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-qq"], { env });
  await run("apt-get", ["install", "-qq", "-y", "--no-install-recommends", ...missing], { env });
}

async function hasProgram(program: string): Promise<boolean> {
  if (program.startsWith("/")) return succeeds("test", ["-x", program]);
  return succeeds("sh", ["-c", 'command -v "$1"', "sh", program]);
}

async function isDebian(): Promise<boolean> {
  try {
    await readFile("/etc/debian_version");
    return await hasProgram("apt-get");
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
