import * as pulumi from "@pulumi/pulumi";
import type { DatabaseLogin } from "./database";
import { httpPort, HttpWorkload } from "./httpWorkload";
import { declareService } from "./network";
import { settledWith } from "./order";

export interface BackendArgs {
  readonly namespace: pulumi.Input<string>;
  readonly images: { readonly backend: string };
  readonly release: string;
  readonly replicas: number;
  readonly login: DatabaseLogin;
  /** The schema this release was written for, known once it is there and its data checked. */
  readonly schemaVersion: pulumi.Input<string>;
}

/**
 * A release's API. It is declared with the schema it needs, so it never runs before it. The release
 * before keeps its own until all is done.
 */
export class Backend extends pulumi.ComponentResource {
  /**
   * Where this release's frontend reaches it, e.g. http://backend-1-0-0:8080: known once it serves.
   * Who needs it comes after it, and goes before it: a backend never leaves a frontend alone.
   */
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: BackendArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:Backend", name, {}, opts);
    const { login } = args;
    const credentials = "/etc/backend";
    const { namespace, release } = args;
    const service = declareService(
      `${name}-${release}`,
      { app: name, release, namespace, port: httpPort, portName: "http" },
      { parent: this },
    );
    const workload = new HttpWorkload(
      `${name}-${release}`,
      {
        app: name,
        namespace,
        image: args.images.backend,
        release,
        service,
        replicas: args.replicas,
        annotations: { "stateful-cd/schema": args.schemaVersion },
        env: {
          DATABASE_HOST: login.host,
          DATABASE_PORT: String(login.port),
          DATABASE_NAME: login.database,
          DATABASE_USER: login.role,
          DATABASE_PASSWORD_FILE: `${credentials}/password`,
        },
        secret: { name: login.secret, mountPath: credentials },
        clients: ["frontend"],
        calls: ["pooler"],
      },
      { parent: this },
    );
    const host = settledWith(service.metadata.name, workload.serving);
    this.url = pulumi.interpolate`http://${host}:${httpPort}`;
    this.registerOutputs({ url: this.url });
  }
}
