import { readFileSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";

/**
 * Sets how soon a process gets the CPU beside others. Where the kernel groups tasks by session, niceness
 * counts only among those of one session, and the group has one of its own (sched(7), autogroup).
 * @param niceness -20 to 19, the lower the sooner; below 0 only root may
 * @returns gives the session, which may be a person's shell, its own back
 */
export function prioritise(pid: number, niceness: number): () => void {
  setPriority(pid, niceness);
  const group = `/proc/${pid}/autogroup`;
  const before = nicenessIn(group);
  if (before === undefined) return () => undefined;
  writeFileSync(group, String(niceness));
  return () => {
    writeFileSync(group, before);
  };
}

/** undefined where the kernel has no such groups. */
function nicenessIn(group: string): string | undefined {
  try {
    return / nice (-?\d+)/.exec(readFileSync(group, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
