import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { httpPort, HttpWorkload } from "./httpWorkload";
import { settledWith } from "./order";
import { labelsOfRelease, metadataOf, unawaited } from "./workload";

export interface FrontendArgs {
  readonly namespace: pulumi.Input<string>;
  readonly images: { readonly frontend: string };
  readonly release: string;
  readonly replicas: number;
  /** The same release's backend: where it is inside the cluster, known once it serves. */
  readonly backend: { readonly url: pulumi.Input<string> };
  /** The URL that people use, where the cluster cannot tell. */
  readonly address?: string | undefined;
  /** Serve the page on each node at this port (30000 to 32767); otherwise inside the cluster only. */
  readonly nodePort?: number | undefined;
}

const app = "frontend";

/**
 * The page people use; it passes their requests on to its release's backend. A release's pages start
 * once its backend serves, and the public Service moves to them in one step: no page is ever
 * answered by pods of two releases.
 */
export class Frontend extends pulumi.ComponentResource {
  /** Where people reach whichever release serves; inside the cluster, if nothing else is known. */
  readonly page: pulumi.Output<string>;
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
        image: args.images.frontend,
        release,
        replicas: args.replicas,
        env: { BACKEND_URL: args.backend.url },
        clients: "anyone",
        calls: ["backend"],
      },
      { parent: this },
    );
    const service = new k8s.core.v1.Service(
      `${name}-public`,
      {
        metadata: metadataOf(app, namespace, unawaited),
        spec: {
          selector: labelsOfRelease(app, workload.serving),
          type: nodePort === undefined ? "ClusterIP" : "NodePort",
          ports: [
            {
              name: "http",
              port: httpPort,
              targetPort: httpPort,
              ...(nodePort === undefined ? {} : { nodePort }),
            },
          ],
        },
      },
      { parent: this },
    );
    const inCluster = pulumi.interpolate`http://${service.metadata.name}:${httpPort}`;
    this.page = args.address === undefined ? inCluster : pulumi.output(args.address);
    this.release = settledWith(release, service.id);
    this.registerOutputs({ page: this.page, release: this.release });
  }
}
