import * as pulumi from "@pulumi/pulumi";
import type { DatabaseAddress } from "../kube/postgres";
import type { Credentials } from "./credentials";
import { addressOf } from "./databaseAddress";
import { DatabaseServer, type DataSource } from "./databaseServer";
import { settledWith } from "./order";

export interface ControlDatabaseArgs {
  /** kubeconfig context */
  readonly context: string;
  readonly namespace: pulumi.Input<string>;
  /** Name of the database. */
  readonly database: string;
  readonly server: { readonly image: string; readonly version: string };
  readonly credentials: Credentials;
  /** The same snapshot as the database that is migrated. */
  readonly from: DataSource;
  /** Size of the volume, e.g. 4Gi. */
  readonly storage: string;
  readonly storageClass?: string | undefined;
  readonly cpu: string;
  readonly memory: string;
  /** Seconds until it must be ready. */
  readonly deadlineSeconds?: number | undefined;
}

/** The clone as it came, which nothing touches: what the migrated database is compared with. */
export class ControlDatabase extends pulumi.ComponentResource {
  /** Known once it accepts connections. */
  readonly address: pulumi.Output<DatabaseAddress>;

  constructor(name: string, args: ControlDatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:ControlDatabase", name, {}, opts);
    const { context, database, server, credentials, ...rest } = args;
    const control = new DatabaseServer(
      `${name}-server`,
      {
        ...rest,
        context,
        app: "control",
        image: `${server.image}:${server.version}`,
        secret: credentials.secret,
        protect: false,
        clients: [],
      },
      { parent: this },
    );
    this.address = settledWith(args.namespace, control.service).apply((namespace) =>
      addressOf(context, namespace, database, {
        app: control.app,
        cloneId: args.from.cloneId,
      }),
    );
    this.registerOutputs({ address: this.address });
  }
}
