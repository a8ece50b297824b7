import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { cloneLabel, partLabel } from "../kube/clone/names";
import { dataLabel } from "../kube/readyPod";
import { type DatabasePodArgs, podOf, serverPort } from "./databasePod";
import { declareService, declareTraffic } from "./network";
import { settledWith } from "./order";
import { ServerReady } from "./serverReady";
import { initScript } from "./serverSetup";
import { labelsOf, metadataOf, unawaited } from "./workload";

/** Another server's data: a VolumeSnapshot in the same namespace, and the clone it belongs to. */
export interface DataSource {
  /** Part of the claim's name: a claim's source cannot change, so another clone is another claim. */
  readonly cloneId: string;
  /** The VolumeSnapshot's name, known once it is ready to use. */
  readonly snapshot: pulumi.Input<string>;
}

export interface DatabaseServerArgs extends DatabasePodArgs {
  /** kubeconfig context */
  readonly context: string;
  /** The pod's label and the Service's name; `database` where left out. */
  readonly app?: string;
  readonly namespace: pulumi.Input<string>;
  /** What the volume starts as; without it, as a fresh cluster of initdb's. */
  readonly from?: DataSource | undefined;
  /** Size of the volume, e.g. 4Gi. It can grow, never shrink. */
  readonly storage: string;
  readonly storageClass?: string | undefined;
  /** Whether Pulumi refuses to delete server and volume. */
  readonly protect: boolean;
  /** Seconds until it must be ready. */
  readonly deadlineSeconds?: number | undefined;
  /** Apps whose pods may connect, besides the program itself. */
  readonly clients: readonly string[];
}

/** PostgreSQL: one pod on one claim that no second pod can mount, and the Service to reach it. */
export class DatabaseServer extends pulumi.ComponentResource {
  readonly app: string;
  readonly port = serverPort;
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
        metadata: metadataOfClaim(app, namespace, from),
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
    const pods = { app, namespace, port: serverPort };
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
      { context: args.context, namespace, app, generation, deadlineSeconds: args.deadlineSeconds },
      { parent: this },
    ).id;
    this.app = app;
    this.claim = claim.metadata.name;
    this.service = settledWith(service.metadata.name, this.ready);
    this.registerOutputs({ service: this.service, claim: this.claim });
  }
}

/** A clone's claim says so: nobody else would know it when the `up` that made it is killed. */
function metadataOfClaim(app: string, namespace: pulumi.Input<string>, from?: DataSource) {
  if (from === undefined) return metadataOf(app, namespace, unawaited);
  const metadata = metadataOf(`${app}-${from.cloneId}`, namespace, unawaited);
  const labels = {
    "app.kubernetes.io/part-of": namespace,
    [cloneLabel]: from.cloneId,
    [partLabel]: "claim",
  };
  return { ...metadata, labels };
}

function snapshotNamed(name: pulumi.Input<string>) {
  return { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name };
}
