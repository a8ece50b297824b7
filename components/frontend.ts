import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { HttpWorkload } from "./httpWorkload";
import { settledWith } from "./order";
import { labelsOfRelease, metadataOf, unawaited } from "./workload";

export interface FrontendArgs {
  readonly namespace: pulumi.Input<string>;
  readonly image: string;
  readonly release: string;
  readonly replicas: number;
  /** The URL of the same release's backend inside the cluster. */
  readonly backend: pulumi.Input<string>;
  /** Serve the page on each node at this port (30000 to 32767); otherwise inside the cluster only. */
  readonly nodePort?: number | undefined;
}

const app = "frontend";

/**
 * The page people use; it passes their requests on to its release's backend. Its public Service
 * moves to a release when that release is ready, in one step: a page never meets pods of two.
 */
export class Frontend extends pulumi.ComponentResource {
  /** Where other pods reach whichever release serves. */
  readonly url: pulumi.Output<string>;
  /** The release, known once it serves. */
  readonly release: pulumi.Output<string>;

  constructor(name: string, args: FrontendArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:Frontend", name, {}, opts);
    const { namespace, release, nodePort } = args;
    const workload = new HttpWorkload(
      `${name}-${release}`,
      {
        app,
        namespace,
        image: args.image,
        release,
        replicas: args.replicas,
        env: { BACKEND_URL: args.backend },
        clients: "anyone",
        calls: ["backend"],
      },
      { parent: this },
    );
    const { port } = workload;
    const service = new k8s.core.v1.Service(
      `${name}-public`,
      {
        metadata: metadataOf(app, namespace, unawaited),
        spec: {
          selector: labelsOfRelease(app, settledWith(release, workload.url)),
          type: nodePort === undefined ? "ClusterIP" : "NodePort",
          ports: [
            {
              name: "http",
              port,
              targetPort: port,
              ...(nodePort === undefined ? {} : { nodePort }),
            },
          ],
        },
      },
      { parent: this },
    );
    this.url = pulumi.interpolate`http://${service.metadata.name}:${port}`;
    this.release = settledWith(release, service.id);
    this.registerOutputs({ url: this.url, release: this.release });
  }
}
