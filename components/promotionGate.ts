import * as pulumi from "@pulumi/pulumi";
import type { DatabaseAddress } from "../kube/postgres";
import type { Evidence } from "./dynamic/evidence";
import { DynamicResource } from "./dynamic/stub";

export interface PromotionGateArgs {
  readonly release: string;
  /** sha256 over everything the release consists of. */
  readonly releaseDigest: string;
  /** What the stack before has shown. */
  readonly evidence: Evidence;
  /** Accept a release unproved as long as none was let in to the database. */
  readonly bootstrap: boolean;
  readonly database: DatabaseAddress;
}

class Gate extends DynamicResource {
  declare readonly release: pulumi.Output<string>;

  constructor(name: string, inputs: pulumi.Inputs, opts: pulumi.CustomResourceOptions) {
    super("promotionGate", name, inputs, [], opts);
  }
}

/**
 * Lets a release through that the stack before has passed, and stops the plan with the reason
 * otherwise. Everything declared after it takes the release that came through.
 */
export class PromotionGate extends pulumi.ComponentResource {
  /** The release, known once it may pass. */
  readonly release: pulumi.Output<string>;
  /** This database's schema fingerprint before the release, as the stack before saw it; empty at first. */
  readonly schemaBefore: string;

  constructor(name: string, args: PromotionGateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:PromotionGate", name, {}, opts);
    const { release, releaseDigest, evidence, bootstrap, database } = args;
    const isPreview = pulumi.runtime.isDryRun();
    const gate = new Gate(
      `${name}-gate`,
      { release, releaseDigest, evidence, bootstrap, database, isPreview },
      { parent: this },
    );
    this.release = gate.release;
    this.schemaBefore =
      evidence.releaseDigest === releaseDigest ? (evidence.schemaBefore ?? "") : "";
    this.registerOutputs({ release: this.release });
  }
}
