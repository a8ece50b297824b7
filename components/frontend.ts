import * as pulumi from "@pulumi/pulumi";
import { HttpWorkload } from "./httpWorkload";
import { settledWith } from "./order";

export interface FrontendArgs {
  readonly namespace: pulumi.Input<string>;
  readonly image: string;
  readonly release: string;
  readonly replicas: number;
  /** The backend's URL inside the cluster. */
  readonly backend: pulumi.Input<string>;
  /** Serve the page on each node at this port (30000 to 32767); otherwise inside the cluster only. */
  readonly nodePort?: number | undefined;
}

/** The page people use. It passes their requests on to the backend. */
export class Frontend extends pulumi.ComponentResource {
  /** Where other pods reach it. */
  readonly url: pulumi.Output<string>;
  /** The release, known once it serves. */
  readonly release: pulumi.Output<string>;

  constructor(name: string, args: FrontendArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:Frontend", name, {}, opts);
    const workload = new HttpWorkload(
      `${name}-workload`,
      {
        app: name,
        namespace: args.namespace,
        image: args.image,
        release: args.release,
        replicas: args.replicas,
        env: { BACKEND_URL: args.backend },
        nodePort: args.nodePort,
        clients: "anyone",
        calls: ["backend"],
      },
      { parent: this },
    );
    this.url = workload.url;
    this.release = settledWith(args.release, workload.url);
    this.registerOutputs({ url: this.url, release: this.release });
  }
}
