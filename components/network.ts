import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { labelsOf, labelsOfRelease, metadataOf, nameOfRelease, unawaited } from "./workload";

type Peer = k8s.types.input.networking.v1.NetworkPolicyPeer;

/** How a workload is reached and what it may reach: inside its namespace, by app label. */
export interface ReachArgs {
  /** App label of the pods. */
  readonly app: string;
  /** Only the pods of this release; otherwise all of the app's. */
  readonly release?: string | undefined;
  readonly namespace: pulumi.Input<string>;
  readonly port: number;
  readonly portName: string;
  /** App labels that may connect. */
  readonly clients: readonly string[] | "anyone";
  /** App labels that it connects to. */
  readonly calls: readonly string[];
}

/**
 * Declares the Service of a workload, named like the app (and the release), and the NetworkPolicy
 * that lets its traffic through.
 */
export function declareReach(
  name: string,
  args: ReachArgs,
  opts: pulumi.CustomResourceOptions,
): k8s.core.v1.Service {
  const { app, release, namespace, port, portName } = args;
  const objectName = release === undefined ? app : nameOfRelease(app, release);
  const pods = release === undefined ? labelsOf(app) : labelsOfRelease(app, release);
  new k8s.networking.v1.NetworkPolicy(
    `${name}-traffic`,
    {
      metadata: metadataOf(objectName, namespace),
      spec: {
        podSelector: { matchLabels: pods },
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
      metadata: metadataOf(objectName, namespace, unawaited),
      spec: { selector: pods, ports: [{ name: portName, port, targetPort: port }] },
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
