import { readdir, readFile } from "node:fs/promises";

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly isNode: boolean;
  readonly bytes: number;
}

/**
 * Bytes resident in all node processes below a process, added up: memory they share counts for
 * each. 0 when it has ended.
 */
export async function residentNodeBytes(root: number): Promise<number> {
  const processes = await listProcesses();
  const below = new Set([root]);
  // Children have higher numbers but for a wrap-around, so that one more round settles it.
  for (let round = 0; round < 2; round++) {
    for (const { pid, parent } of processes) if (below.has(parent)) below.add(pid);
  }
  return processes
    .filter(({ pid, isNode }) => isNode && below.has(pid))
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

async function listProcesses(): Promise<Process[]> {
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const processes = numbers.sort((a, b) => a - b).map(readProcess);
  return (await Promise.all(processes)).filter((found) => found !== undefined);
}

async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    const field = (name: string): string =>
      new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
    return {
      pid,
      parent: Number(field("PPid")),
      isNode: /^(node|MainThread)$/.test(field("Name")),
      bytes: Number(field("VmRSS")) * 1024,
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}
