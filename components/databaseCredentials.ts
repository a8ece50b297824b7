import type * as pulumi from "@pulumi/pulumi";
import { Credentials } from "./credentials";

export interface DatabaseCredentialsArgs {
  readonly namespace: pulumi.Input<string>;
  /** Whether Pulumi refuses to delete the Secret: nobody else knows the passwords. */
  readonly protect: boolean;
}

/** The roles that exist in every database of ours, each with its key in the Secret. */
export function passwordsOf(database: string) {
  return [
    { role: "postgres", key: "superuser-password" },
    { role: ownerOf(database), key: "owner-password" },
    { role: "pooler", key: "pooler-password" },
  ] as const;
}

/** The role that owns a database and runs its migrations. */
export function ownerOf(database: string): string {
  return `${database}_owner`;
}

/** The passwords of a server: made before it, so that a clone of another's can be given them. */
export class DatabaseCredentials extends Credentials {
  constructor(name: string, args: DatabaseCredentialsArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      name,
      {
        ...args,
        secret: databaseSecret,
        keys: passwordsOf("").map(({ key }) => key),
        files: (passwords) => ({
          "userlist.txt": `"pooler" "${passwords["pooler-password"] ?? ""}"\n`,
        }),
      },
      opts,
    );
  }
}

/** The Secret's name in every environment. */
export const databaseSecret = "database";
