import type * as pulumi from "@pulumi/pulumi";
import { DynamicResource } from "./dynamic/stub";

export interface ServerReadyArgs {
  /** kubeconfig context */
  readonly context: string;
  readonly namespace: pulumi.Input<string>;
  /** Name of the StatefulSet, and of its pods' label. */
  readonly app: string;
  /** `metadata.generation` of the StatefulSet: another one is waited for again. */
  readonly generation: pulumi.Input<number>;
  /** Seconds until its pods must be ready. */
  readonly deadlineSeconds?: number | undefined;
}

const defaultDeadlineSeconds = 180;

/**
 * Waits for a StatefulSet in place of the Kubernetes provider, which does not say why one is not ready
 * and takes a changed one for ready before its new pod is.
 */
export class ServerReady extends DynamicResource {
  constructor(name: string, args: ServerReadyArgs, opts?: pulumi.CustomResourceOptions) {
    const { deadlineSeconds = defaultDeadlineSeconds } = args;
    super("serverReady", name, { ...args, deadlineSeconds }, [], { ...opts, retainOnDelete: true });
  }
}
