import * as pulumi from "@pulumi/pulumi";
import type { RollbackRequest } from "../kube/rollback";
import { DynamicResource } from "./dynamic/stub";

export interface SnapshotArgs {
  /** kubeconfig context */
  readonly context: string;
  readonly namespace: pulumi.Input<string>;
  readonly claim: pulumi.Input<string>;
  /** Digest of the release that is about to run, its migrations included. */
  readonly releaseDigest: string;
  readonly snapshotClass?: string | undefined;
  /** How many are kept, the newest ones; 3 by default. */
  readonly keep?: number | undefined;
  /** For how many minutes it counts as taken, where a change was not finished; 60 by default. */
  readonly freshMinutes?: number | undefined;
  /** Seconds until it must be usable. */
  readonly deadlineSeconds?: number | undefined;
}

const defaultKeep = 3;
const defaultFreshMinutes = 60;
const defaultDeadlineSeconds = 120;

/**
 * The rollback point: a snapshot of the volume, taken before anything changes. Whatever changes the
 * data takes `request` as an input, so that the order is a type error to forget.
 */
export class Snapshot extends DynamicResource {
  /** The VolumeSnapshot's name, known once it can be used; empty when there was no data yet. */
  declare readonly snapshot: pulumi.Output<string>;
  /** What takes one anew where this one is too old by then; known once this one can be used. */
  readonly request: pulumi.Output<RollbackRequest>;

  constructor(name: string, args: SnapshotArgs, opts?: pulumi.CustomResourceOptions) {
    const { context, namespace, claim, releaseDigest, snapshotClass } = args;
    const inputs = {
      ...{ context, namespace, claim, snapshotClass },
      change: releaseDigest,
      keep: args.keep ?? defaultKeep,
      freshMinutes: args.freshMinutes ?? defaultFreshMinutes,
      deadlineSeconds: args.deadlineSeconds ?? defaultDeadlineSeconds,
    };
    // The snapshots stay when this is no longer declared (components/dynamic/rollbackPoint.ts).
    super("rollbackPoint", name, inputs, ["snapshot"], { ...opts, retainOnDelete: true });
    this.request = pulumi.all([inputs, this.snapshot]).apply(([request]) => request);
  }
}
