import { readFile, readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** The variable by which the cluster's processes are known, whoever their parent is by now. */
export const marker = "STATEFUL_CD_SUPERVISED";

/** A process by its number and its start, so that a number used again is not mistaken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/PID/stat. */
  readonly startTicks: string;
}

/** The identity of a living process; undefined where it is gone or a zombie. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const text = await readProcFile(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may hold anything, spaces too.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields ?? [];
  const startTicks = fields?.[19];
  if (state === undefined || startTicks === undefined || state === "Z") return undefined;
  return { pid, startTicks };
}

export async function isAlive(process: ProcessIdentity): Promise<boolean> {
  return (await identify(process.pid))?.startTicks === process.startTicks;
}

/** Every living process that was started for the given cluster folder, shims of pods included. */
export async function markedProcesses(cluster: string): Promise<ProcessIdentity[]> {
  const wanted = `${marker}=${cluster}`;
  const found: ProcessIdentity[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const environment = await readProcFile(`/proc/${name}/environ`);
    if (environment?.split("\0").includes(wanted) !== true) continue;
    const identity = await identify(Number(name));
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

/** Sends a signal; a process that has gone meanwhile is what was wanted. */
export function signal(process_: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    process.kill(process_.pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Waits until `list` is empty; returns what is left when the time, in milliseconds, is over. */
export async function waitForNone(
  list: () => Promise<ProcessIdentity[]>,
  patience: number,
): Promise<ProcessIdentity[]> {
  const deadline = Date.now() + patience;
  let left = await list();
  while (left.length > 0 && Date.now() < deadline) {
    await sleep(100);
    left = await list();
  }
  return left;
}

/** Ends processes step by step: each signal in turn, with its patience, until none is left. */
export async function endAll(
  list: () => Promise<ProcessIdentity[]>,
  steps: readonly (readonly [NodeJS.Signals, number])[],
): Promise<ProcessIdentity[]> {
  let left = await list();
  for (const [name, patience] of steps) {
    if (left.length === 0) break;
    for (const process_ of left) signal(process_, name);
    left = await waitForNone(list, patience);
  }
  return left;
}

async function readProcFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // Gone meanwhile, or a kernel thread that shows nothing.
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES") return undefined;
    throw error;
  }
}
