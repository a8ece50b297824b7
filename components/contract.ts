import * as pulumi from "@pulumi/pulumi";
import type { PoolerAddress } from "../kube/poolerClients";
import type { DatabaseAddress } from "../kube/postgres";
import type { RollbackRequest } from "../kube/rollback";
import { poolerPort } from "./pooler";
import type { Logins } from "./dynamic/oldLogins";
import { DynamicResource } from "./dynamic/stub";

export interface ContractArgs {
  readonly database: pulumi.Input<DatabaseAddress>;
  /** Folder of the migrations, relative to the project. */
  readonly folder: string;
  /** The release's last migration: what comes after it is not touched. */
  readonly through: string;
  /** The release, known once it serves: before, the old columns are in use. */
  readonly servedBy: pulumi.Input<string>;
  /** The logins of all releases: old ones are looked for, and closed. */
  readonly logins: Logins;
  /** How long nothing may have used the old columns: what runs once an hour wants 3600 and more. */
  readonly soakSeconds: number;
  /** How long the old columns are kept under another name, for an undo. Then they are dropped. */
  readonly keepDays: number;
  /** What takes a snapshot right before something is given up; left out where data is not protected. */
  readonly rollbackPoint?: pulumi.Input<RollbackRequest> | undefined;
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
      deadlineSeconds: args.deadlineSeconds ?? defaultDeadlineSeconds,
      administrator: pulumi.output(args.database).apply(administratorOf),
      pooler: pulumi.output(args.database).apply(poolerOf),
      release: args.servedBy,
      // Its pods of other releases must be gone.
      app: "backend",
      cloneId: args.cloneId ?? "",
    };
    super("contract", name, inputs, ["waiting", "schemaFingerprint", "states", "dropsAfter"], {
      ...opts,
      retainOnDelete: true,
    });
  }
}

/** The superuser: a schema's owner may close no login, nor see what others run. */
function administratorOf(database: DatabaseAddress): DatabaseAddress {
  return { ...database, role: "postgres", secretKey: "superuser-password" };
}

/** PgBouncer's stats_users are asked through the same Kubernetes API as the server itself. */
function poolerOf(database: DatabaseAddress): PoolerAddress {
  const { context, namespace, secret } = database;
  return {
    context,
    namespace,
    secret,
    ...poolerPort,
    role: "pooler",
    secretKey: "pooler-password",
  };
}
