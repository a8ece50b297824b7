import type * as pulumi from "@pulumi/pulumi";
import type { DatabaseAddress } from "../kube/postgres";
import { DynamicResource } from "./dynamic/stub";

export interface ContractArgs {
  readonly database: pulumi.Input<DatabaseAddress>;
  /** Folder of the migrations, relative to the project. */
  readonly folder: string;
  /** The release's last migration: what comes after it is not touched. */
  readonly through: string;
  /** The release, known once it serves: before, the old columns are in use. */
  readonly servedBy: pulumi.Input<string>;
  /** Logins of all other releases: no session of theirs may be left. */
  readonly oldRoles: readonly string[];
  /** Names the clone that the database is, if it is one. */
  readonly cloneId?: string | undefined;
  /** Seconds to wait for another run of the engine. */
  readonly deadlineSeconds?: number;
}

const defaultDeadlineSeconds = 120;

/**
 * Gives up what only older releases used. While one of them is still there it waits: the reason is
 * an output, the resource shows as a pending change, and the next up tries again.
 */
export class Contract extends DynamicResource {
  /** Why it waits, a line each; empty when there is nothing left to give up. */
  declare readonly waiting: pulumi.Output<string[]>;
  /** The schema fingerprint it has left. */
  declare readonly schemaFingerprint: pulumi.Output<string>;

  constructor(name: string, args: ContractArgs, opts?: pulumi.CustomResourceOptions) {
    const inputs = {
      ...args,
      release: args.servedBy,
      // Its pods of other releases must be gone.
      app: "backend",
      cloneId: args.cloneId ?? "",
      deadlineSeconds: args.deadlineSeconds ?? defaultDeadlineSeconds,
    };
    super("contract", name, inputs, ["waiting", "schemaFingerprint", "states"], {
      ...opts,
      retainOnDelete: true,
    });
  }
}
