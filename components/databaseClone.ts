import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { cloneLabel, importNameOf, partLabel } from "../kube/clone/names";
import { UserError } from "../userError";
import { requireConsent } from "./dynamic/consent";
import { DynamicResource } from "./dynamic/stub";
import { settledWith } from "./order";

export interface DatabaseCloneArgs {
  /** kubeconfig context; production and this stack are in one cluster. */
  readonly context: string;
  /** Which clone it is: `cloneIdOf`. Another id makes another clone and removes this one. */
  readonly cloneId: pulumi.Input<string>;
  /** The user who is given its rights in the quarantine; see Environment. */
  readonly deployer?: string | undefined;
  /** Begins the quarantine's name, like that of every namespace the program may make. */
  readonly application: string;
  /** The namespace that gets the clone. */
  readonly namespace: pulumi.Input<string>;
  /** Where production's data is, from its stack's outputs. */
  readonly source: {
    readonly namespace: pulumi.Input<string>;
    readonly claim: pulumi.Input<string>;
    /** Image of production's server, with its version. */
    readonly serverImage: pulumi.Input<string>;
  };
  /** The roles that stay, and where in this namespace their passwords are. All others cannot log in. */
  readonly passwords: readonly {
    readonly role: string;
    readonly secret: pulumi.Input<string>;
    readonly key: string;
  }[];
  /** Production's logins of releases are dropped: login roles whose name begins so. */
  readonly loginRolesToDrop: string;
  readonly storageClass?: string | undefined;
  readonly snapshotClass?: string | undefined;
  /** Consent to a clone that shows production's data as it is. */
  readonly allowUnmasked: boolean;
  /** Whether this stack protects its data: then it is production, which no clone may replace. */
  readonly protectData: boolean;
  /** Seconds that each step of it may take. */
  readonly deadlineSeconds?: number | undefined;
}

const defaultDeadlineSeconds = 120;

/**
 * A clone of production's database as a snapshot in this stack's namespace, to make claims from.
 * Raw data never gets here: it lives in a quarantine for the seconds that the clone takes.
 *
 * CAUTION: whatever was made from another clone is replaced, and its data is gone.
 */
export class DatabaseClone extends pulumi.ComponentResource {
  readonly cloneId: pulumi.Output<string>;
  /** The VolumeSnapshot to name as a claim's dataSource, known once it can be used. */
  readonly snapshot: pulumi.Output<string>;
  /** Bytes that such a claim must ask for at least, as a Kubernetes quantity. */
  readonly size: pulumi.Output<string>;
  /** How long raw data lay outside production. */
  readonly rawLifetimeSeconds: pulumi.Output<number>;

  /** @throws UserError in a stack that protects its data, and without `allowUnmasked` */
  constructor(name: string, args: DatabaseCloneArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProtected(args.protectData);
    requireConsent(args.allowUnmasked, "this stack");
    super("stateful-cd:index:DatabaseClone", name, {}, opts);
    void pulumi.log.warn("allowUnmasked: this stack shows production's data as it is.", this);
    const { application, namespace } = args;
    this.cloneId = pulumi.output(args.cloneId);

    const masked = new MaskedSnapshot(
      `${name}-masked`,
      {
        context: args.context,
        cloneId: this.cloneId,
        deployer: args.deployer,
        source: args.source,
        quarantine: pulumi.interpolate`${application}-q-${this.cloneId}`,
        target: { namespace, passwords: args.passwords },
        loginRolesToDrop: args.loginRolesToDrop,
        snapshotClass: args.snapshotClass,
        storageClass: args.storageClass,
        allowUnmasked: args.allowUnmasked,
        deadlineSeconds: args.deadlineSeconds ?? defaultDeadlineSeconds,
      },
      { parent: this },
    );
    const imported = new k8s.apiextensions.CustomResource(
      `${name}-import`,
      {
        apiVersion: "snapshot.storage.k8s.io/v1",
        kind: "VolumeSnapshot",
        metadata: {
          name: this.cloneId.apply(importNameOf),
          namespace,
          labels: {
            "app.kubernetes.io/part-of": namespace,
            [cloneLabel]: this.cloneId,
            [partLabel]: "import",
          },
          annotations: { "pulumi.com/waitFor": "jsonpath={.status.readyToUse}=true" },
        },
        // Its content is made with the masked snapshot, and owns it: when this goes, so do both.
        spec: { source: { volumeSnapshotContentName: masked.content } },
      },
      { parent: this, customTimeouts: { create: "2m", delete: "2m" } },
    );
    this.snapshot = settledWith(this.cloneId.apply(importNameOf), imported.id);
    this.size = masked.restoreSize.apply(String);
    this.rawLifetimeSeconds = masked.rawLifetimeSeconds;
    this.registerOutputs({
      cloneId: this.cloneId,
      snapshot: this.snapshot,
      size: this.size,
      rawLifetimeSeconds: this.rawLifetimeSeconds,
    });
  }
}

/**
 * What names a clone: the same release against the same production is the same clone, so a preview
 * of an unchanged release changes nothing.
 * @param generation `clone.generation`: raised for fresh data
 * @returns twelve hexadecimal digits
 */
export function cloneIdOf(of: {
  readonly releaseDigest: string;
  readonly schemaFingerprint: string;
  readonly generation: number;
}): string {
  const parts = JSON.stringify([of.releaseDigest, of.schemaFingerprint, of.generation]);
  return createHash("sha256").update(parts).digest("hex").slice(0, 12);
}

/** Before `super`, so that nothing of a clone is ever declared in production. */
function refuseProtected(protectData: boolean): void {
  if (!protectData) return;
  throw new UserError(
    "A clone would replace the data of a stack that protects it (stateful-cd:protectData).",
    ["Clones are for staging, which is made anew from production."],
    "remove stateful-cd:clone from this stack, or run the stack that clones",
  );
}

/** The quarantine and everything raw, made and removed inside one resource. */
class MaskedSnapshot extends DynamicResource {
  declare readonly content: pulumi.Output<string>;
  declare readonly restoreSize: pulumi.Output<number>;
  declare readonly rawLifetimeSeconds: pulumi.Output<number>;

  constructor(name: string, inputs: pulumi.Inputs, opts: pulumi.CustomResourceOptions) {
    const outputs = [
      "content",
      "snapshot",
      "snapshotHandle",
      "driver",
      "restoreSize",
      "rawLifetimeSeconds",
      "millisecondsByStep",
      "mountedMilliseconds",
      "openMilliseconds",
    ];
    super("maskedSnapshot", name, inputs, outputs, opts);
  }
}
