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
    const report = (line: string): void => {
      console.log(`${inputs.namespace}/${inputs.claim}: ${line}`);
    };
    return { snapshot: await keepRollbackPoint(inputs, report) };
  },
  read: async (inputs) => ({ snapshot: (await findRollbackPoint(inputs)) ?? "" }),
};
