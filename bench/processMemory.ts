import { readdir, readFile } from "node:fs/promises";

/**
 * Bytes resident in all node processes of a process group, added up: memory they share counts for
 * each. 0 when the group has ended.
 */
export async function residentNodeBytes(group: number): Promise<number> {
  let bytes = 0;
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readIfAlive(`/proc/${name}/status`);
    const stat = await readIfAlive(`/proc/${name}/stat`);
    if (!/^Name:\t(node|MainThread)/m.test(status)) continue;
    // After the command in parentheses: state, parent, process group.
    if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]) !== group) continue;
    bytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return bytes;
}

async function readIfAlive(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}
