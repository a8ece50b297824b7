import type { types } from "@pulumi/kubernetes";
import type { Input } from "@pulumi/pulumi";

type Container = types.input.core.v1.Container;
type PodSpec = types.input.core.v1.PodSpec;

/** The label all objects of one workload share: what Services and NetworkPolicies select by. */
export function labelsOf(app: string): Record<"app.kubernetes.io/name", string> {
  return { "app.kubernetes.io/name": app };
}

/** The label that tells the pods of releases apart while both serve. */
export function labelsOfRelease<R extends Input<string>>(app: string, release: R) {
  return { ...labelsOf(app), "app.kubernetes.io/version": release };
}

/** What a release's own objects are called, e.g. backend-2-0-0. */
export function nameOfRelease(app: string, release: string): string {
  return `${app}-${release.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
}

/**
 * Name, namespace, and the label that tells which environment an object belongs to. The label has a
 * second purpose: in the preview of a new environment its value is unknown, and only a field that
 * is unknown keeps the Kubernetes provider from asking the cluster about objects in a namespace
 * that does not exist yet (an unknown namespace it takes for "default").
 *
 * The field manager has one name: by default each creation gets one of its own, and what a killed
 * run has created without noting it would then be another's for the next.
 */
export function metadataOf(
  name: Input<string>,
  namespace: Input<string>,
  annotations?: Record<string, string>,
): types.input.meta.v1.ObjectMeta {
  const labels = { "app.kubernetes.io/part-of": namespace };
  return { name, namespace, labels, annotations: { ...fieldManager, ...annotations } };
}

/** Annotation of every object: who sets its fields. */
export const fieldManager = { "pulumi.com/patchFieldManager": "stateful-cd" };

/** Annotation of objects that need not be waited for: whatever needs them waits for itself. */
export const unawaited = { "pulumi.com/skipAwait": "true" };

/** How long a rollout may take: ten minutes, the default, is long to learn of a mistyped image. */
export const rolloutTimeouts = { create: "2m", update: "2m" };

/** A container as Pod Security `restricted` wants it. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
} satisfies Container["securityContext"];

/** A pod as Pod Security `restricted` wants it, running as this user id. */
export function restrictedPod(
  user: number,
): Pick<PodSpec, "securityContext" | "automountServiceAccountToken" | "enableServiceLinks"> {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      fsGroup: user,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

/** Requests equal to limits for memory, so that the kernel never picks the database first. */
export function resourcesOf(cpu: string, memory: string): types.input.core.v1.ResourceRequirements {
  return { requests: { cpu, memory }, limits: { memory } };
}

/** An HTTP probe of a path, once a period. */
export function httpProbe(path: string, periodSeconds: number): types.input.core.v1.Probe {
  return { httpGet: { path, port: "http" }, periodSeconds, timeoutSeconds: 2, failureThreshold: 3 };
}
