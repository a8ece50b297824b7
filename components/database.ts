import * as pulumi from "@pulumi/pulumi";
import type { Release } from "../release";
import type { DatabaseAddress } from "../kube/postgres";
import { Credentials } from "./credentials";
import { addressOf } from "./databaseAddress";
import { DatabaseRoles, groupOf, loginOf } from "./databaseRoles";
import type { Logins } from "./dynamic/oldLogins";
import { DatabaseServer, type DataSource } from "./databaseServer";
import { Pooler } from "./pooler";
import { nameOfRelease } from "./workload";

export interface DatabaseArgs {
  /** kubeconfig context: the program and the engine reach the server through its API. */
  readonly context: string;
  readonly namespace: pulumi.Input<string>;
  /** The namespace as a plain value, for names that must be known in a preview. */
  readonly namespaceName: string;
  /** The passwords of the server's own roles. */
  readonly credentials: Credentials;
  /** What the volume starts as; without it, as an empty database. */
  readonly from?: DataSource | undefined;
  /** Name of the database and prefix of its roles. */
  readonly database: string;
  /** The release whose backend logs in. */
  readonly release: string;
  /** All releases there are: each has a login of its own, whichever one runs. */
  readonly releases: readonly Release[];
  readonly server: { readonly image: string; readonly version: string };
  /** Image of PgBouncer. */
  readonly images: { readonly pooler: string };
  /** Size of the volume, e.g. 4Gi. It can grow, never shrink. */
  readonly storage: string;
  readonly cpu: string;
  readonly memory: string;
  /** Local TCP port of the tunnel to the server; by default one derived from the namespace. */
  readonly tunnelPort?: number | undefined;
  readonly storageClass?: string | undefined;
  /** Seconds until the server must be ready. */
  readonly deadlineSeconds?: number | undefined;
  /** Whether Pulumi refuses to delete server and volume. */
  readonly protect: boolean;
}

/** How an application reaches its database: through the pooler, as its release's own role. */
export interface DatabaseLogin {
  readonly host: pulumi.Output<string>;
  readonly port: number;
  readonly database: pulumi.Output<string>;
  readonly role: pulumi.Output<string>;
  /** The Secret whose key `password` is the role's. */
  readonly secret: pulumi.Output<string>;
}

/** PostgreSQL on a persistent volume behind PgBouncer, with the roles that use it. */
export class Database extends pulumi.ComponentResource {
  /** Where migrations run: the server itself, as the owner. Known once that works. */
  readonly address: pulumi.Output<DatabaseAddress>;
  readonly login: DatabaseLogin;
  /** The claim that a snapshot is taken of. */
  readonly claim: pulumi.Output<string>;
  /** Image of the server with its version: what a clone of the claim is opened with. */
  readonly serverImage: string;
  /** The logins of all releases. */
  readonly logins: Logins;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:Database", name, {}, opts);
    const { namespace, context, database, release, credentials } = args;
    const inside = { parent: this };
    const serverImage = `${args.server.image}:${args.server.version}`;

    const logins = new Map(
      args.releases.map(({ version }) => {
        const secret = nameOfRelease("backend", version);
        return [
          version,
          new Credentials(
            `${name}-login-${version}`,
            { namespace, protect: false, secret, keys: ["password"] },
            // A release whose file is gone may still be serving: its pods keep Secret and role.
            { ...inside, retainOnDelete: true },
          ),
        ];
      }),
    );
    const server = new DatabaseServer(
      `${name}-server`,
      {
        context,
        namespace,
        image: serverImage,
        from: args.from,
        secret: credentials.secret,
        storage: args.storage,
        storageClass: args.storageClass,
        cpu: args.cpu,
        memory: args.memory,
        deadlineSeconds: args.deadlineSeconds,
        protect: args.protect,
        clients: ["pooler"],
      },
      inside,
    );
    const roles = new DatabaseRoles(
      `${name}-roles`,
      {
        server: addressOf(context, args.namespaceName, database, args.from),
        superuserPassword: credentials.password("superuser-password"),
        database,
        cloneId: args.from?.cloneId,
        ownerPassword: credentials.password("owner-password"),
        release,
        loginPasswords: new Map(
          [...logins].map(([version, login]) => [version, login.password("password")]),
        ),
        tunnelPort: args.tunnelPort,
        serverVersion: args.server.version,
        ready: server.ready,
        protect: args.protect,
        deletedWith: server.statefulSet,
      },
      inside,
    );
    const pooler = new Pooler(
      `${name}-pooler`,
      {
        namespace,
        image: args.images.pooler,
        server: server.service,
        serverPort: server.port,
        serverApp: server.app,
        database,
        secret: credentials.secret,
        clients: ["backend"],
      },
      inside,
    );

    this.claim = server.claim;
    this.serverImage = serverImage;
    this.logins = {
      group: groupOf(database),
      own: loginOf(database, release),
      others: args.releases
        .filter(({ version }) => version !== release)
        .map(({ version, migrations }) => ({
          name: loginOf(database, version),
          knows: migrations.last,
        })),
    };
    this.address = pulumi
      .all([namespace, roles.database, credentials.secret])
      .apply(([namespace]) => addressOf(context, namespace, database, args.from));
    this.login = {
      host: pooler.service,
      port: pooler.port,
      database: roles.database,
      role: roles.login,
      secret: pulumi.output(logins.get(release)?.secret ?? ""),
    };
    this.registerOutputs({ address: this.address, login: this.login, claim: this.claim });
  }
}
