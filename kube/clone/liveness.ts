import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Shapes } from "../objectKinds";
import { ClusterError, conflict, find, patch } from "../objects";
import { annotations, partsOf, type CloneIdentity } from "./names";

/** A run that has said nothing for this long is dead. */
const silenceMilliseconds = 20_000;
const beatMilliseconds = 4_000;
const lookMilliseconds = 500;

/** Names this run of the clone: who is at work in its quarantine. */
export function newRun(): string {
  return [hostname(), process.pid, processSpace(), Date.now().toString(36)].join("/");
}

/**
 * Where a process id means the same process: one boot of one kernel, and in it one namespace of ids.
 * Hosts share names, and containers of one host share neither. Empty where a system does not tell.
 */
function processSpace(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}.${statSync("/proc/self/ns/pid").ino}`;
  } catch {
    return "";
  }
}

/**
 * Watches a quarantine until its run has said something, or is dead: its process has ended, or it has
 * said nothing for twenty seconds. They are counted here, since two clocks may be minutes apart.
 * @returns the quarantine as it was then; undefined when the run is alive, or the quarantine gone
 */
export async function findDead(
  context: string,
  quarantine: Shapes["Namespace"],
  silence = silenceMilliseconds,
): Promise<Shapes["Namespace"] | undefined> {
  const ref = { kind: "Namespace", name: quarantine.metadata?.name ?? "" } as const;
  const since = performance.now();
  for (;;) {
    const found = await find(context, ref);
    if (found === undefined || beatOf(found) !== beatOf(quarantine)) return undefined;
    if (hasEnded(runOf(found)) || performance.now() - since >= silence) return found;
    await sleep(lookMilliseconds);
  }
}

/** Gives a dead run's quarantine to this run; false when anybody has touched it since it was seen. */
export async function claim(
  context: string,
  dead: Shapes["Namespace"],
  run: string,
): Promise<boolean> {
  const { name = "", resourceVersion } = dead.metadata ?? {};
  const mine = { [annotations.run]: run, [annotations.alive]: new Date().toISOString() };
  const changes = { metadata: { resourceVersion, annotations: mine } };
  try {
    return await patch(context, { kind: "Namespace", name }, changes);
  } catch (error) {
    if (error instanceof ClusterError && error.code === conflict) return false;
    throw error;
  }
}

/** Says from time to time that this run is at work, as long as the work lasts. */
export async function withHeartbeat<T>(
  clone: CloneIdentity,
  run: string,
  work: () => Promise<T>,
): Promise<T> {
  const ref = partsOf(clone).quarantine;
  const beat = async () => {
    const found = await find(clone.context, ref);
    if (found === undefined || runOf(found) !== run) return;
    const alive = { [annotations.alive]: new Date().toISOString() };
    await patch(clone.context, ref, { metadata: { annotations: alive } });
  };
  const timer = setInterval(() => {
    // A beat that is lost is made good by the next; what is wrong, the steps will meet themselves.
    beat().catch(() => undefined);
  }, beatMilliseconds);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** The run that has a quarantine. */
export function runOf(quarantine: Shapes["Namespace"]): string {
  return quarantine.metadata?.annotations?.[annotations.run] ?? "an unknown run";
}

/** Who that is, for messages: `host/process`. */
export function workerOf(quarantine: Shapes["Namespace"]): string {
  return runOf(quarantine).split("/").slice(0, 2).join("/");
}

/** What changes as long as a run lives. */
function beatOf(quarantine: Shapes["Namespace"]): string {
  return `${runOf(quarantine)} ${quarantine.metadata?.annotations?.[annotations.alive] ?? ""}`;
}

/** Whether a run was a process of this very machine, and has ended. */
export function hasEnded(run: string): boolean {
  const [, pid, space = ""] = run.split("/");
  return space !== "" && space === processSpace() && !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
