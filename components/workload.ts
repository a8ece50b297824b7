import type { types } from "@pulumi/kubernetes";

type Container = types.input.core.v1.Container;
type PodSpec = types.input.core.v1.PodSpec;

/** The label all objects of one workload share: what Services and NetworkPolicies select by. */
export function labelsOf(app: string): Record<"app.kubernetes.io/name", string> {
  return { "app.kubernetes.io/name": app };
}

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
