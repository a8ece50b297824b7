import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { declareTraffic } from "./network";
import { settledWith } from "./order";
import {
  httpProbe,
  labelsOfRelease,
  metadataOf,
  nameOfRelease,
  resourcesOf,
  rolloutTimeouts,
  restrictedContainer,
  restrictedPod,
} from "./workload";

export interface HttpWorkloadArgs {
  /** The pods' label. */
  readonly app: string;
  readonly namespace: pulumi.Input<string>;
  readonly image: string;
  /** The release: part of every object's name, so that two releases run side by side. */
  readonly release: string;
  readonly replicas: number;
  readonly env: Record<string, pulumi.Input<string>>;
  readonly annotations?: Record<string, pulumi.Input<string>>;
  /** Its Service inside the cluster, if it has one: it goes after the pods. */
  readonly service?: k8s.core.v1.Service;
  /** A Secret mounted as a folder. */
  readonly secret?: { readonly name: pulumi.Input<string>; readonly mountPath: string };
  /** App labels that may connect. */
  readonly clients: readonly string[] | "anyone";
  /** App labels that it connects to. */
  readonly calls: readonly string[];
}

/** Where the pods of every HTTP workload listen. */
export const httpPort = 8080;
const user = 10001;
/** A pod that is going away serves on this long: Services take a moment to stop sending to it. */
const shutdownDelayMs = 4_000;

/**
 * A release of a stateless HTTP server: Deployment and NetworkPolicy of its own. The next release
 * gets others, and these are deleted when everything else is done.
 */
export class HttpWorkload extends pulumi.ComponentResource {
  /** The release, known once it serves. */
  readonly serving: pulumi.Output<string>;

  constructor(name: string, args: HttpWorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:HttpWorkload", name, {}, opts);
    const { app, namespace, release } = args;
    const labels = labelsOfRelease(app, release);
    // Both are there while the last pod still drains.
    const traffic = declareTraffic(name, { ...args, port: httpPort }, { parent: this });
    const kept = [traffic, ...(args.service ? [args.service] : [])];
    const deployment = new k8s.apps.v1.Deployment(
      `${name}-deployment`,
      {
        metadata: metadataOf(nameOfRelease(app, release), namespace),
        spec: {
          replicas: args.replicas,
          // An image that cannot be pulled is an error within a minute and a half, not ten.
          progressDeadlineSeconds: 90,
          selector: { matchLabels: labels },
          strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
          template: {
            metadata: {
              labels,
              ...(args.annotations ? { annotations: args.annotations } : {}),
            },
            spec: podOf(args),
          },
        },
      },
      { parent: this, customTimeouts: rolloutTimeouts, dependsOn: kept },
    );
    this.serving = settledWith(release, deployment.metadata.name);
    this.registerOutputs({ serving: this.serving });
  }
}

function podOf(args: HttpWorkloadArgs): k8s.types.input.core.v1.PodSpec {
  const env = {
    PORT: String(httpPort),
    RELEASE: args.release,
    SHUTDOWN_DELAY_MS: String(shutdownDelayMs),
    ...args.env,
  };
  return {
    ...restrictedPod(user),
    terminationGracePeriodSeconds: 40,
    containers: [
      {
        name: args.app,
        image: args.image,
        ports: [{ name: "http", containerPort: httpPort }],
        env: Object.entries(env).map(([name, value]) => ({ name, value })),
        resources: resourcesOf("50m", "192Mi"),
        securityContext: restrictedContainer,
        startupProbe: { ...httpProbe("/healthz", 1), failureThreshold: 60 },
        livenessProbe: httpProbe("/healthz", 10),
        readinessProbe: httpProbe("/readyz", 2),
        volumeMounts: args.secret
          ? [{ name: "secret", mountPath: args.secret.mountPath, readOnly: true }]
          : [],
      },
    ],
    volumes: args.secret
      ? [{ name: "secret", secret: { secretName: args.secret.name, defaultMode: 0o440 } }]
      : [],
  };
}
