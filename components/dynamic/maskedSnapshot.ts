import { type CloneRequest, identityOf } from "../../kube/clone/names";
import { findClone, makeClone, removeClone, type MadeClone } from "../../kube/clone/run";
import { requireConsent } from "./consent";
import type { ResourceKind } from "./resourceKind";

export interface MaskedSnapshotInputs extends CloneRequest {
  /** Consent to a clone that shows production's data as it is: nothing masks it yet. */
  readonly allowUnmasked: boolean;
}

/**
 * A snapshot of production's data that staging may import. Everything raw (snapshot, volume, the
 * namespace they lie in) is made and removed inside it.
 */
export const maskedSnapshot: ResourceKind<MaskedSnapshotInputs, Partial<MadeClone>> = {
  identify: ({ quarantine }) => quarantine,
  async reconcile(inputs) {
    requireConsent(inputs.allowUnmasked, inputs.target.namespace);
    const { sourceNamespace, cloneId } = identityOf(inputs);
    const report = (line: string): void => {
      console.log(`clone ${cloneId}: ${line}`);
    };
    report(`UNMASKED: ${inputs.target.namespace} gets the data of ${sourceNamespace} as it is`);
    return makeClone(inputs, report);
  },
  read: findClone,
  remove: removeClone,
};
