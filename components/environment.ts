import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { namespaceRole } from "../kube/permissions";
import { settledWith } from "./order";
import { fieldManager, metadataOf } from "./workload";

export interface EnvironmentArgs {
  /** The namespace to create; everything of this stack lives in it. */
  readonly namespace: string;
  /**
   * The user this program runs as. It is bound to the ClusterRole `stateful-cd-namespace` in this
   * namespace and nowhere else. Left out when the kubeconfig's user has its rights already.
   */
  readonly deployer?: string | undefined;
  /** The release that is let in: nothing of this stack changes before it is. */
  readonly release: pulumi.Input<string>;
  /** Whether Pulumi refuses to delete the namespace, and with it all that is in it. */
  readonly protect: boolean;
}

/**
 * The stack's namespace: Pod Security `restricted`, no traffic that no component asks for, and the
 * program's own rights in it.
 */
export class Environment extends pulumi.ComponentResource {
  /** The namespace's name, known once the program may work in it. */
  readonly namespace: pulumi.Output<string>;

  constructor(name: string, args: EnvironmentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:Environment", name, {}, opts);
    const inside = { parent: this };

    const namespace = new k8s.core.v1.Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: args.namespace,
          labels: {
            "app.kubernetes.io/part-of": args.namespace,
            "pod-security.kubernetes.io/enforce": "restricted",
          },
          annotations: { ...fieldManager, "stateful-cd/release": args.release },
        },
      },
      { ...inside, protect: args.protect },
    );
    const rights = args.deployer ? [bindDeployer(name, args.deployer, namespace, this)] : [];
    this.namespace = settledWith(
      namespace.metadata.name,
      namespace.id,
      ...rights.map(({ id }) => id),
    );
    // Nothing in, nothing out, but for resolving names; each workload adds what it needs.
    new k8s.networking.v1.NetworkPolicy(
      `${name}-default-traffic`,
      {
        metadata: metadataOf("default", this.namespace),
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], egress: [toDns] },
      },
      inside,
    );
    this.registerOutputs({ namespace: this.namespace });
  }
}

const toDns: k8s.types.input.networking.v1.NetworkPolicyEgressRule = {
  to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } }],
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};

/** Without this binding the program may create the namespace but nothing in it. */
function bindDeployer(
  name: string,
  deployer: string,
  namespace: k8s.core.v1.Namespace,
  parent: pulumi.Resource,
): k8s.rbac.v1.RoleBinding {
  return new k8s.rbac.v1.RoleBinding(
    `${name}-deployer`,
    {
      metadata: metadataOf("stateful-cd", settledWith(namespace.metadata.name, namespace.id)),
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        name: namespaceRole,
      },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: deployer }],
    },
    { parent },
  );
}
