import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { labelsOf, metadataOf, unawaited } from "./workload";

type Peer = k8s.types.input.networking.v1.NetworkPolicyPeer;

/** How a workload is reached and what it may reach: inside its namespace, by app label. */
export interface ReachArgs {
  /** App label of the pods, and the Service's name. */
  readonly app: string;
  readonly namespace: pulumi.Input<string>;
  readonly port: number;
  readonly portName: string;
  /** Also on each node, at this port. */
  readonly nodePort?: number | undefined;
  /** App labels that may connect. */
  readonly clients: readonly string[] | "anyone";
  /** App labels that it connects to. */
  readonly calls: readonly string[];
}

/** Declares the Service of a workload, and the NetworkPolicy that lets its traffic through. */
export function declareReach(
  name: string,
  args: ReachArgs,
  opts: pulumi.CustomResourceOptions,
): k8s.core.v1.Service {
  const { app, namespace, port, portName, nodePort } = args;
  new k8s.networking.v1.NetworkPolicy(
    `${name}-traffic`,
    {
      metadata: metadataOf(app, namespace),
      spec: {
        podSelector: { matchLabels: labelsOf(app) },
        policyTypes: ["Ingress", "Egress"],
        ingress: [
          {
            ...(args.clients === "anyone" ? {} : { from: args.clients.map(podsOf) }),
            ports: [{ port }],
          },
        ],
        egress: [toDns, ...(args.calls.length > 0 ? [{ to: args.calls.map(podsOf) }] : [])],
      },
    },
    opts,
  );
  return new k8s.core.v1.Service(
    `${name}-service`,
    {
      // It never waits for endpoints: what brings them is waited for already.
      metadata: metadataOf(app, namespace, unawaited),
      spec: {
        selector: labelsOf(app),
        type: nodePort === undefined ? "ClusterIP" : "NodePort",
        ports: [
          {
            name: portName,
            port,
            targetPort: port,
            ...(nodePort === undefined ? {} : { nodePort }),
          },
        ],
      },
    },
    opts,
  );
}

function podsOf(app: string): Peer {
  return { podSelector: { matchLabels: labelsOf(app) } };
}

/** How pods find each other: every workload that opens connections needs it. */
const toDns: k8s.types.input.networking.v1.NetworkPolicyEgressRule = {
  to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } }],
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};
