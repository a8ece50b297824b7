import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { dataLabel } from "../kube/readyPod";
import { declareService, declareTraffic } from "./network";
import { settledWith } from "./order";
import { ServerReady } from "./serverReady";
import { initdbArguments, initScript, serverParameters } from "./serverSetup";
import {
  labelsOf,
  metadataOf,
  resourcesOf,
  restrictedContainer,
  restrictedPod,
  unawaited,
} from "./workload";

/** Another server's data: a VolumeSnapshot in the same namespace, and the clone it belongs to. */
export interface DataSource {
  /** Part of the claim's name: a claim's source cannot change, so another clone is another claim. */
  readonly cloneId: string;
  /** The VolumeSnapshot's name, known once it is ready to use. */
  readonly snapshot: pulumi.Input<string>;
}

export interface DatabaseServerArgs {
  /** kubeconfig context */
  readonly context: string;
  /** The pod's label and the Service's name; `database` where left out. */
  readonly app?: string;
  readonly namespace: pulumi.Input<string>;
  /** What the volume starts as; without it, as a fresh cluster of initdb's. */
  readonly from?: DataSource | undefined;
  /** Image and version of PostgreSQL; the official image's contract. */
  readonly image: string;
  /** The Secret with `superuser-password` and `pooler-password`. */
  readonly secret: pulumi.Input<string>;
  /** Size of the volume, e.g. 4Gi. It can grow, never shrink. */
  readonly storage: string;
  readonly storageClass?: string | undefined;
  readonly cpu: string;
  readonly memory: string;
  /** Whether Pulumi refuses to delete server and volume. */
  readonly protect: boolean;
  /** Apps whose pods may connect, besides the program itself. */
  readonly clients: readonly string[];
}

const port = 5432;
/** uid of `postgres` in the official image. */
const postgresUser = 999;

/** PostgreSQL: one pod on one claim that no second pod can mount, and the Service to reach it. */
export class DatabaseServer extends pulumi.ComponentResource {
  readonly app: string;
  readonly port = port;
  /** The Service's name, known once the server accepts connections. */
  readonly service: pulumi.Output<string>;
  readonly claim: pulumi.Output<string>;
  /** Known once the server accepts connections. */
  readonly ready: pulumi.Output<string>;
  /** What owns every object inside the database: with it, they go. */
  readonly statefulSet: k8s.apps.v1.StatefulSet;

  constructor(name: string, args: DatabaseServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:DatabaseServer", name, {}, opts);
    const { namespace, from, app = "database" } = args;
    const kept = { parent: this, protect: args.protect };

    const claim = new k8s.core.v1.PersistentVolumeClaim(
      `${name}-claim`,
      {
        metadata: metadataOf(from ? `${app}-${from.cloneId}` : app, namespace, unawaited),
        spec: {
          // ReadWriteOnce would let two pods of one node run a server on one data folder.
          accessModes: ["ReadWriteOncePod"],
          resources: { requests: { storage: args.storage } },
          ...(args.storageClass ? { storageClassName: args.storageClass } : {}),
          ...(from ? { dataSource: snapshotNamed(from.snapshot) } : {}),
        },
      },
      kept,
    );
    const init = new k8s.core.v1.ConfigMap(
      `${name}-init`,
      { metadata: metadataOf(`${app}-init`, namespace), data: { "pooler.sh": initScript } },
      { parent: this },
    );
    const pods = { app, namespace, port };
    declareTraffic(name, { ...pods, clients: args.clients, calls: [] }, { parent: this });
    const service = declareService(name, { ...pods, portName: "postgres" }, { parent: this });
    this.statefulSet = new k8s.apps.v1.StatefulSet(
      `${name}-server`,
      {
        metadata: metadataOf(app, namespace, unawaited),
        spec: {
          replicas: 1,
          serviceName: app,
          podManagementPolicy: "Parallel",
          selector: { matchLabels: labelsOf(app) },
          template: {
            metadata: {
              labels: { ...labelsOf(app), ...(from ? { [dataLabel]: from.cloneId } : {}) },
            },
            spec: podOf(args, claim.metadata.name, init.metadata.name),
          },
        },
      },
      kept,
    );
    const { generation } = this.statefulSet.metadata;
    this.ready = new ServerReady(
      `${name}-ready`,
      { context: args.context, namespace, app, generation },
      { parent: this },
    ).id;
    this.app = app;
    this.claim = claim.metadata.name;
    this.service = settledWith(service.metadata.name, this.ready);
    this.registerOutputs({ service: this.service, claim: this.claim });
  }
}

function snapshotNamed(name: pulumi.Input<string>) {
  return { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name };
}

function podOf(
  args: DatabaseServerArgs,
  claim: pulumi.Input<string>,
  init: pulumi.Input<string>,
): k8s.types.input.core.v1.PodSpec {
  const password = (key: string) => ({ secretKeyRef: { name: args.secret, key } });
  // The binary itself: Debian's pg_isready is a Perl wrapper that costs half a core a second.
  const isReady = { command: ["sh", "-c", `pg_isready -q -h 127.0.0.1 -p ${port}`] };
  return {
    ...restrictedPod(postgresUser),
    terminationGracePeriodSeconds: 60,
    containers: [
      {
        name: "postgres",
        image: args.image,
        args: [
          "postgres",
          ...Object.entries(serverParameters).flatMap(([k, v]) => ["-c", `${k}=${v}`]),
        ],
        ports: [{ name: "postgres", containerPort: port }],
        env: [
          { name: "PGDATA", value: "/var/lib/postgresql/data/pgdata" },
          { name: "POSTGRES_USER", value: "postgres" },
          { name: "POSTGRES_INITDB_ARGS", value: initdbArguments },
          { name: "POSTGRES_HOST_AUTH_METHOD", value: "scram-sha-256" },
          { name: "POSTGRES_PASSWORD", valueFrom: password("superuser-password") },
          { name: "POOLER_PASSWORD", valueFrom: password("pooler-password") },
        ],
        resources: resourcesOf(args.cpu, args.memory),
        securityContext: restrictedContainer,
        startupProbe: { exec: isReady, periodSeconds: 1, failureThreshold: 120 },
        readinessProbe: { exec: isReady, periodSeconds: 2, timeoutSeconds: 2 },
        // SIGTERM would be a smart shutdown, which waits behind any open session until the kill.
        lifecycle: {
          preStop: { exec: { command: ["sh", "-c", 'pg_ctl stop -D "$PGDATA" -m fast -w'] } },
        },
        volumeMounts: [
          { name: "data", mountPath: "/var/lib/postgresql/data" },
          { name: "init", mountPath: "/docker-entrypoint-initdb.d" },
          { name: "run", mountPath: "/var/run/postgresql" },
          { name: "tmp", mountPath: "/tmp" },
        ],
      },
    ],
    volumes: [
      { name: "data", persistentVolumeClaim: { claimName: claim } },
      { name: "init", configMap: { name: init } },
      { name: "run", emptyDir: {} },
      { name: "tmp", emptyDir: {} },
    ],
  };
}
