import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { declareService, declareTraffic } from "./network";
import { settledWith } from "./order";
import {
  labelsOf,
  metadataOf,
  resourcesOf,
  rolloutTimeouts,
  restrictedContainer,
  restrictedPod,
} from "./workload";

export interface PoolerArgs {
  readonly namespace: pulumi.Input<string>;
  /** Image of PgBouncer 1.18 or newer. */
  readonly image: string;
  /** The server's Service. */
  readonly server: pulumi.Input<string>;
  readonly serverPort: number;
  /** App label of the server's pods. */
  readonly serverApp: string;
  readonly database: string;
  /** The Secret with `userlist.txt`. */
  readonly secret: pulumi.Input<string>;
  /** Apps whose pods may connect. */
  readonly clients: readonly string[];
}

const app = "pooler";
const port = 5432;

/** Where to ask a pooler itself: its pods by label, and their port. */
export const poolerPort = { app, port };
/** uid of `postgres` in Debian's package. */
const poolerUser = 999;

/**
 * PgBouncer in front of the server, in transaction mode: the one address applications know, so
 * that the server behind it can be replaced. It knows no application's password: it asks the
 * server for the verifier of whoever logs in.
 */
export class Pooler extends pulumi.ComponentResource {
  readonly service: pulumi.Output<string>;
  readonly port = port;

  constructor(name: string, args: PoolerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:Pooler", name, {}, opts);
    const { namespace } = args;
    const settings = pulumi.output(args.server).apply((server) => settingsOf(server, args));
    const config = new k8s.core.v1.ConfigMap(
      `${name}-config`,
      { metadata: metadataOf(app, namespace), data: { "pgbouncer.ini": settings } },
      { parent: this },
    );
    const deployment = new k8s.apps.v1.Deployment(
      `${name}-deployment`,
      {
        metadata: metadataOf(app, namespace),
        spec: {
          replicas: 1,
          progressDeadlineSeconds: 90,
          selector: { matchLabels: labelsOf(app) },
          strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
          template: {
            metadata: {
              labels: labelsOf(app),
              // PgBouncer reads its settings at start: other settings, another pod.
              annotations: { "stateful-cd/settings": settings.apply(digestOf) },
            },
            spec: podOf(args, config.metadata.name),
          },
        },
      },
      { parent: this, customTimeouts: rolloutTimeouts },
    );
    const pods = { app, namespace, port };
    const traffic = { ...pods, clients: args.clients, calls: [args.serverApp] };
    declareTraffic(name, traffic, { parent: this });
    const service = declareService(name, { ...pods, portName: "postgres" }, { parent: this });

    this.service = settledWith(service.metadata.name, deployment.metadata.name);
    this.registerOutputs({ service: this.service });
  }
}

function settingsOf(server: string, args: PoolerArgs): string {
  return `[databases]
${args.database} = host=${server} port=${args.serverPort} auth_user=pooler

[pgbouncer]
listen_addr = *
listen_port = ${port}
unix_socket_dir =
pool_mode = transaction
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/secret/userlist.txt
auth_query = select role, verifier from pooler.verifier_of($1)
stats_users = pooler
max_client_conn = 1000
default_pool_size = 20
reserve_pool_size = 5
server_login_retry = 1
server_idle_timeout = 15
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
`;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function podOf(args: PoolerArgs, config: pulumi.Input<string>): k8s.types.input.core.v1.PodSpec {
  return {
    ...restrictedPod(poolerUser),
    terminationGracePeriodSeconds: 30,
    containers: [
      {
        name: "pgbouncer",
        image: args.image,
        args: ["pgbouncer", "/etc/pgbouncer/pgbouncer.ini"],
        ports: [{ name: "postgres", containerPort: port }],
        resources: resourcesOf("50m", "64Mi"),
        securityContext: restrictedContainer,
        readinessProbe: { tcpSocket: { port }, periodSeconds: 2 },
        volumeMounts: [
          { name: "config", mountPath: "/etc/pgbouncer/pgbouncer.ini", subPath: "pgbouncer.ini" },
          { name: "secret", mountPath: "/etc/pgbouncer/secret", readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: "config", configMap: { name: config } },
      {
        name: "secret",
        secret: {
          secretName: args.secret,
          defaultMode: 0o440,
          items: [{ key: "userlist.txt", path: "userlist.txt" }],
        },
      },
    ],
  };
}
