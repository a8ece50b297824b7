import { setTimeout as sleep } from "node:timers/promises";
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  type KubernetesObject,
} from "../kube/clusterClient";
import { cachePaths, cacheRoot } from "../local/paths";

const paths = cachePaths(cacheRoot(process.env));

/** An identity of the embedded cluster: the program's own, or the administrator's. */
export function identity(name: "program" | "admin"): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(name === "program" ? paths.kubeconfig : paths.adminKubeconfig);
  return config;
}

/** Any objects, as they would stand in a manifest: applied on the server's side. */
export async function apply(config: KubeConfig, ...objects: KubernetesObject[]): Promise<void> {
  const api = KubernetesObjectApi.makeApiClient(config);
  for (const object of objects) {
    await api.patch(object, undefined, undefined, "tests", true, PatchStrategy.ServerSideApply);
  }
}

/** The server's answer to a request that it refuses: its code and its words. */
export async function refusal(request: Promise<unknown>): Promise<string> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    const body: unknown = error.body;
    const status = (typeof body === "string" ? JSON.parse(body) : body) as { message?: string };
    return `${error.code} ${status.message ?? ""}`;
  }
  return "it was allowed";
}

/** Asks again until there is an answer; fails with `what` when the time, in seconds, is over. */
export async function eventually<T>(
  what: string,
  seconds: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(200);
  }
}

/** A pod that Pod Security `restricted` admits, running a shell script in the base image. */
export function pod(
  namespace: string,
  name: string,
  script: string,
  claim?: string,
): KubernetesObject & { readonly spec: object } {
  const mounts = claim === undefined ? [] : [{ name: "data", mountPath: "/data" }];
  const volumes =
    claim === undefined ? [] : [{ name: "data", persistentVolumeClaim: { claimName: claim } }];
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, labels: { app: name } },
    spec: {
      restartPolicy: "Never",
      securityContext: {
        runAsNonRoot: true,
        fsGroup: 10001,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          name: "main",
          image: "localhost/base:1",
          command: ["sh", "-ec", script],
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
          },
          volumeMounts: mounts,
        },
      ],
      volumes,
    },
  };
  return object;
}

/** Runs a pod to its end, removes it, and returns what it printed. */
export async function runPod(namespace: string, name: string, script: string, claim?: string) {
  const admin = identity("admin");
  const core = admin.makeApiClient(CoreV1Api);
  await apply(admin, pod(namespace, name, script, claim));
  const phase = await eventually(`pod ${name}`, 90, async () => {
    const { status } = await core.readNamespacedPod({ namespace, name });
    return status?.phase === "Succeeded" || status?.phase === "Failed" ? status.phase : undefined;
  });
  const printed = await core.readNamespacedPodLog({ namespace, name });
  await core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 });
  if (phase === "Failed") throw new Error(`pod ${name} failed:\n${printed}`);
  return printed.trim();
}
