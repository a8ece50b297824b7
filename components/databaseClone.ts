import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { cloneLabel, importNameOf, partLabel } from "../kube/clone/names";
import { UserError } from "../userError";
import type { DatabaseAddress } from "../kube/postgres";
import { cloneIdOf, type Source } from "./cloneId";
import { ControlDatabase } from "./controlDatabase";
import type { Credentials } from "./credentials";
import { passwordsOf } from "./databaseCredentials";
import { loginsOf } from "./databaseRoles";
import { requireConsent } from "./dynamic/consent";
import { MaskedSnapshot } from "./maskedSnapshot";
import { settledWith } from "./order";
import { fieldManager } from "./workload";

export interface DatabaseCloneArgs {
  /** kubeconfig context; production and this stack are in one cluster. */
  readonly context: string;
  /** Digest of the release that is tried on it: another release gets another clone. */
  readonly releaseDigest: string;
  /** Raised for fresh data. */
  readonly generation: number;
  /** The user who is given its rights in the quarantine; see Environment. */
  readonly deployer?: string | undefined;
  /** Name of the database and prefix of its roles; begins the quarantine's name too. */
  readonly database: string;
  /** The namespace that gets the clone. */
  readonly namespace: pulumi.Input<string>;
  /** The same as a plain value: two stacks that clone one production have clones of their own. */
  readonly namespaceName: string;
  /** Where production's data is, from its stack's outputs. */
  readonly source: Source;
  /** The passwords that the clone's roles get in place of production's. */
  readonly credentials: Credentials;
  /** Image and version of the servers made from it. */
  readonly server: { readonly image: string; readonly version: string };
  /** Size of their volumes, at least that of production's, e.g. 4Gi. */
  readonly storage: string;
  readonly cpu: string;
  readonly memory: string;
  readonly storageClass?: string | undefined;
  readonly snapshotClass?: string | undefined;
  /** Consent to a clone that shows production's data as it is. */
  readonly allowUnmasked: boolean;
  /** Whether this stack protects its data: then it is production, which no clone may replace. */
  readonly protect: boolean;
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
  readonly cloneId: string;
  /** The VolumeSnapshot to name as a claim's dataSource, known once it can be used. */
  readonly snapshot: pulumi.Output<string>;
  /** A server on the clone as it came, which nothing touches: what a migrated one is compared with. */
  readonly control: pulumi.Output<DatabaseAddress>;

  /** @throws UserError in a stack that protects its data, and without `allowUnmasked` */
  constructor(name: string, args: DatabaseCloneArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProtected(args.protect);
    requireConsent(args.allowUnmasked, "this stack");
    super("stateful-cd:index:DatabaseClone", name, {}, opts);
    void pulumi.log.warn("allowUnmasked: this stack shows production's data as it is.", this);
    const { database, namespace, credentials, source } = args;
    const cloneId = cloneIdOf(args);
    this.cloneId = cloneId;

    const masked = new MaskedSnapshot(
      `${name}-masked`,
      {
        context: args.context,
        cloneId,
        deployer: args.deployer,
        source: {
          namespace: source.namespace,
          claim: source.claim,
          serverImage: source.serverImage,
        },
        quarantine: `${database}-q-${cloneId}`,
        target: {
          namespace,
          passwords: passwordsOf(database).map((of) => ({ ...of, secret: credentials.secret })),
          storage: args.storage,
        },
        loginRolesToDrop: loginsOf(database),
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
          name: importNameOf(cloneId),
          namespace,
          labels: {
            "app.kubernetes.io/part-of": namespace,
            [cloneLabel]: cloneId,
            [partLabel]: "import",
          },
          annotations: {
            ...fieldManager,
            "pulumi.com/waitFor": "jsonpath={.status.readyToUse}=true",
          },
        },
        // Its content is made with the masked snapshot, and owns it: when this goes, so do both.
        spec: { source: { volumeSnapshotContentName: masked.content } },
      },
      { parent: this, customTimeouts: { create: "2m", delete: "2m" } },
    );
    this.snapshot = settledWith(importNameOf(cloneId), imported.id);
    this.control = new ControlDatabase(
      `${name}-control`,
      { ...args, from: { cloneId, snapshot: this.snapshot } },
      { parent: this },
    ).address;
    this.registerOutputs({
      cloneId: this.cloneId,
      snapshot: this.snapshot,
      control: this.control,
    });
  }
}

/** Before `super`, so that nothing of a clone is ever declared in production. */
function refuseProtected(protectData: boolean): void {
  if (!protectData) return;
  throw new UserError(
    "A clone would replace the data of a stack that protects it (stateful-cd:protectData).",
    ["Clones are for staging, which is made anew from production."],
    "remove stateful-cd:source from this stack, or run the stack that clones",
  );
}
