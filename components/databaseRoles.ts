import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import type { PodPort } from "../kube/readyPod";
import { openTunnel, portFor } from "../kube/tunnel";
import { ownerOf } from "./databaseCredentials";
import { settledWith } from "./order";

export interface DatabaseRolesArgs {
  /** Where the server is, in plain values. */
  readonly server: PodPort;
  readonly superuserPassword: pulumi.Input<string>;
  /** The database, also the prefix of its roles. */
  readonly database: string;
  /**
   * The clone the server's data came from: it has database, owner and group, but no login of a
   * release. Left out for a fresh server.
   */
  readonly cloneId?: string | undefined;
  readonly ownerPassword: pulumi.Input<string>;
  /** The release whose backend logs in now, e.g. 1.0.0. */
  readonly release: string;
  /** A login for every release that may be serving, by version: going forward or back needs no new one. */
  readonly loginPasswords: ReadonlyMap<string, pulumi.Input<string>>;
  /** Local TCP port of the tunnel; by default one derived from the stack's namespace. */
  readonly tunnelPort?: number | undefined;
  /** PostgreSQL's version, e.g. 17.9. */
  readonly serverVersion: string;
  /** Known once the server accepts connections: before, a preview has nobody to ask. */
  readonly ready: pulumi.Input<string>;
  /** Whether Pulumi refuses to delete the database. */
  readonly protect: boolean;
  /** With this resource the server's data goes, and so does all that is declared here. */
  readonly deletedWith: pulumi.Resource;
}

/**
 * The database, its owner, the group that holds an application's privileges, and one login role
 * a release. Migrations run as the owner; privileges on its tables come by default.
 */
export class DatabaseRoles extends pulumi.ComponentResource {
  /** Known once everything a migration relies on exists. */
  readonly database: pulumi.Output<string>;
  /** The release's own login, a member of the group: who still uses a release can be told. */
  readonly login: pulumi.Output<string>;

  constructor(name: string, args: DatabaseRolesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:DatabaseRoles", name, {}, opts);
    const provider = this.#connect(name, args);
    // One after the other: parallel grants collide ("tuple concurrently updated").
    let last: pulumi.Resource[] = [];
    const chained = (): pulumi.CustomResourceOptions => ({
      parent: this,
      provider,
      deletedWith: args.deletedWith,
      // Pulumi deletes after the program, and so the tunnel, has ended. Nor may a plan drop a role
      // that somebody may still be logged in with.
      retainOnDelete: true,
      dependsOn: last,
    });
    const declare = <R extends pulumi.Resource>(resource: R): R => {
      last = [resource];
      return resource;
    };

    const group = groupOf(args.database);
    const owner = ownerOf(args.database);
    if (args.cloneId === undefined) {
      declare(
        new postgresql.Role(
          `${name}-owner`,
          { name: owner, login: true, password: args.ownerPassword },
          chained(),
        ),
      );
      declare(new postgresql.Role(`${name}-app`, { name: group, login: false }, chained()));
      declare(
        new postgresql.Database(
          `${name}-database`,
          {
            name: args.database,
            owner,
            // template1 has the pooler's function and pg_stat_statements (serverSetup.ts).
            template: "template1",
            encoding: "UTF8",
            lcCollate: locale,
            lcCtype: locale,
          },
          { ...chained(), protect: args.protect },
        ),
      );
      for (const [objectType, privileges] of Object.entries(appPrivileges)) {
        declare(
          new postgresql.DefaultPrivileges(
            `${name}-app-${objectType}s`,
            {
              owner,
              role: group,
              database: args.database,
              schema: "public",
              objectType,
              privileges,
            },
            chained(),
          ),
        );
      }
    }
    const generation = args.cloneId === undefined ? "" : `-${args.cloneId}`;
    for (const [release, password] of args.loginPasswords) {
      declare(
        new postgresql.Role(
          `${name}-login-${release}${generation}`,
          { name: loginOf(args.database, release), login: true, roles: [group], password },
          // Contract takes LOGIN from releases that cannot be served any more; a refresh sees that,
          // and the next up is not to give it back.
          { ...chained(), ignoreChanges: ["login"] },
        ),
      );
    }

    // With the last of the chain, all of the above is there.
    this.database = settledWith(args.database, ...last.map(({ urn }) => urn));
    this.login = settledWith(loginOf(args.database, args.release), this.database);
    this.registerOutputs({ database: this.database, login: this.login });
  }

  /** The provider speaks TCP only, so the program itself forwards a local port to the server. */
  #connect(name: string, args: DatabaseRolesArgs): postgresql.Provider {
    const port = args.tunnelPort ?? portFor(args.server.namespace);
    const opened = openTunnel(port, args.server, pulumi.runtime.isDryRun());
    return new postgresql.Provider(
      `${name}-provider`,
      {
        host: settledWith("127.0.0.1", opened, args.ready),
        port,
        username: "postgres",
        password: args.superuserPassword,
        sslmode: "disable",
        // As long as the tunnel waits for a server that is starting.
        connectTimeout: 60,
        // Otherwise it connects to ask, in every preview too.
        expectedVersion: args.serverVersion,
        // With it the provider would read password verifiers back and show them as changes.
        superuser: false,
      },
      { parent: this },
    );
  }
}

/** The role that holds an application's privileges; all its logins are members. */
export const groupOf = (database: string): string => `${database}_app`;

/** What the names of all releases' logins begin with. */
export const loginsOf = (database: string): string => `${groupOf(database)}_`;

/** The role that a release's backend logs in with. */
export function loginOf(database: string, release: string): string {
  return `${loginsOf(database)}${release.replace(/[^a-z0-9]+/gi, "_")}`;
}

/** template1's, as initdb made it (serverSetup.ts): a database made from it has no other. */
const locale = "C.UTF-8";

const appPrivileges = {
  table: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  sequence: ["USAGE", "SELECT"],
};
