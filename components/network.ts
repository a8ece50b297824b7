import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { labelsOf, labelsOfRelease, metadataOf, nameOfRelease, unawaited } from "./workload";

type IngressRule = k8s.types.input.networking.v1.NetworkPolicyIngressRule;
type Peer = k8s.types.input.networking.v1.NetworkPolicyPeer;

/** The pods of an app in its namespace, and the port they listen at. */
export interface PodsArgs {
  /** App label of the pods. */
  readonly app: string;
  /** Only the pods of this release; otherwise all of the app's. */
  readonly release?: string | undefined;
  readonly namespace: pulumi.Input<string>;
  readonly port: number;
}

/** Who may reach them and whom they may reach: inside the namespace, by app label. */
export interface TrafficArgs extends PodsArgs {
  /** App labels that may connect. */
  readonly clients: readonly string[] | "anyone";
  /** App labels that they connect to. Names they may resolve anyway: the environment allows it. */
  readonly calls: readonly string[];
}

/** Declares the NetworkPolicy of an app, or of one release of it. */
export function declareTraffic(
  name: string,
  args: TrafficArgs,
  opts: pulumi.CustomResourceOptions,
): k8s.networking.v1.NetworkPolicy {
  const { namespace, clients, calls, port } = args;
  const { objectName, pods } = podsOf(args);
  return new k8s.networking.v1.NetworkPolicy(
    `${name}-traffic`,
    {
      metadata: metadataOf(objectName, namespace),
      spec: {
        podSelector: { matchLabels: pods },
        policyTypes: ["Ingress", "Egress"],
        ingress: ingressOf(clients, port),
        egress: calls.length > 0 ? [{ to: calls.map(peerOf) }] : [],
      },
    },
    opts,
  );
}

/** Declares the Service inside the cluster of an app, or of one release of it. */
export function declareService(
  name: string,
  args: PodsArgs & { readonly portName: string },
  opts: pulumi.CustomResourceOptions,
): k8s.core.v1.Service {
  const { namespace, port, portName } = args;
  const { objectName, pods } = podsOf(args);
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

/** A rule whose list of peers is empty lets everybody in: where nobody may, there is no rule. */
function ingressOf(clients: TrafficArgs["clients"], port: number): IngressRule[] {
  const ports = [{ port }];
  if (clients === "anyone") return [{ ports }];
  return clients.length > 0 ? [{ from: clients.map(peerOf), ports }] : [];
}

function podsOf({ app, release }: PodsArgs) {
  return release === undefined
    ? { objectName: app, pods: labelsOf(app) }
    : { objectName: nameOfRelease(app, release), pods: labelsOfRelease(app, release) };
}

function peerOf(app: string): Peer {
  return { podSelector: { matchLabels: labelsOf(app) } };
}
