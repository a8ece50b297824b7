import * as z from "zod";
import { readJson } from "./atomicFile";
import { runtime } from "./paths";
import { isAlive } from "./processTable";

const processStatus = z.object({
  name: z.string(),
  state: z.enum(["waiting", "starting", "ready", "failing", "restarting", "stopped"]),
  pid: z.number().optional(),
  /** When it came into this state, ISO 8601. */
  since: z.string(),
  restarts: z.number(),
  problem: z.string().optional(),
});
export type ProcessStatus = z.infer<typeof processStatus>;

const clusterStatus = z.object({
  /** Hash of everything the cluster was started with. */
  plan: z.string(),
  supervisor: z.object({ pid: z.number(), startTicks: z.string() }),
  processes: z.array(processStatus),
});
export type ClusterStatus = z.infer<typeof clusterStatus>;

const ownerSchema = z.object({ cluster: z.string(), boot: z.string() });
/** Whose the runtime folder is: the cluster folder, and the boot it was made in. */
export type Owner = z.infer<typeof ownerSchema>;

/** What the supervisor last wrote; undefined where it is not alive. */
export async function readClusterStatus(): Promise<ClusterStatus | undefined> {
  const parsed = clusterStatus.safeParse(await readJson(runtime.status));
  if (!parsed.success || !(await isAlive(parsed.data.supervisor))) return undefined;
  return parsed.data;
}

export async function readOwner(): Promise<Owner | undefined> {
  const parsed = ownerSchema.safeParse(await readJson(runtime.owner));
  return parsed.success ? parsed.data : undefined;
}
