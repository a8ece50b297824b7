import { randomBytes } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../userError";
import { metadataOf } from "./workload";

export interface CredentialsArgs {
  readonly namespace: pulumi.Input<string>;
  /** The Secret's name in the cluster. */
  readonly secret: string;
  /** The keys to fill with a random password each. */
  readonly keys: readonly string[];
  /** Whether Pulumi refuses to delete the Secret: nobody else knows the passwords. */
  readonly protect: boolean;
  /** Further keys made of those passwords, e.g. a file of them. */
  readonly files?: (passwords: Record<string, string>) => Record<string, string>;
}

/**
 * Random passwords in a Kubernetes Secret, made once: later runs draw new ones and ignore them,
 * so what is in the cluster stays. Pulumi's state holds them encrypted, and nothing else does.
 */
export class Credentials extends pulumi.ComponentResource {
  /** The Secret's name, known once it exists. */
  readonly secret: pulumi.Output<string>;
  readonly #name: string;
  readonly #data: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: CredentialsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:Credentials", name, {}, opts);
    const passwords = Object.fromEntries(
      args.keys.map((key) => [key, randomBytes(24).toString("base64url")]),
    );
    const secret = new k8s.core.v1.Secret(
      `${name}-secret`,
      {
        metadata: metadataOf(args.secret, args.namespace),
        data: pulumi.secret(toBase64({ ...passwords, ...args.files?.(passwords) })),
      },
      {
        parent: this,
        protect: args.protect,
        ignoreChanges: ["data"],
        additionalSecretOutputs: ["data"],
      },
    );
    this.secret = secret.metadata.name;
    this.#name = args.secret;
    this.#data = pulumi.secret(secret.data);
    this.registerOutputs({ secret: this.secret });
  }

  /** The password under a key, as a Pulumi secret; fails when the Secret has none. */
  password(key: string): pulumi.Output<string> {
    return this.#data.apply((data) => passwordIn(this.#name, data, key));
  }
}

/** @throws UserError naming Secret and key: an empty password would let anybody in, or nobody */
export function passwordIn(
  secret: string,
  data: Readonly<Record<string, string>>,
  key: string,
): string {
  const password = Buffer.from(data[key] ?? "", "base64").toString("utf8");
  if (password !== "") return password;
  throw new UserError(
    `The Secret ${secret} has no password under "${key}".`,
    [`It has: ${Object.keys(data).join(", ") || "none"}.`],
    `put one there with kubectl edit secret ${secret} in the stack's namespace, then pulumi up --refresh`,
  );
}

function toBase64(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
}
