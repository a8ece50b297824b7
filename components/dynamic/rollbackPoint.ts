import { keepRollbackPoint, findRollbackPoint, type RollbackRequest } from "../../kube/rollback";
import type { ResourceKind } from "./resourceKind";

export interface RollbackPointOutputs {
  /** Name of the VolumeSnapshot; empty while there was no data to go back to. */
  readonly snapshot: string;
}

/**
 * A snapshot of production's volume from before a change. It has no `remove`: when the resource goes,
 * the snapshots are all that could bring the data back; they go with their namespace.
 */
export const rollbackPoint: ResourceKind<RollbackRequest, RollbackPointOutputs> = {
  identify: ({ namespace, claim }) => `${namespace}/${claim}/rollback-point`,
  async reconcile(inputs) {
    return { snapshot: await rollbackPointBefore(inputs) };
  },
  read: async (inputs) => ({ snapshot: (await findRollbackPoint(inputs)) ?? "" }),
};

const kept = new Map<string, Promise<string>>();

/**
 * Sees to it that there is a point to go back to before a change, once in this `up`: one that an
 * earlier `up` took, which then failed, may be days old by now.
 * @returns its name; empty while there was no data to go back to
 */
export function rollbackPointBefore(request: RollbackRequest): Promise<string> {
  const { namespace, claim, change } = request;
  const key = JSON.stringify([namespace, claim, change]);
  const report = (line: string): void => {
    console.log(`${namespace}/${claim}: ${line}`);
  };
  const point = kept.get(key) ?? keepRollbackPoint(request, report);
  kept.set(key, point);
  return point;
}
