import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { initdbArguments, serverParameters } from "./serverSetup";
import { resourcesOf, restrictedContainer, restrictedPod } from "./workload";

/** Where PostgreSQL listens. */
export const serverPort = 5432;
/** uid of `postgres` in the official image. */
const postgresUser = 999;

export interface DatabasePodArgs {
  /** Image and version of PostgreSQL; the official image's contract. */
  readonly image: string;
  /** The Secret with `superuser-password` and `pooler-password`. */
  readonly secret: pulumi.Input<string>;
  readonly cpu: string;
  readonly memory: string;
}

/** The pod of PostgreSQL, by the contract of the official image. */
export function podOf(
  args: DatabasePodArgs,
  claim: pulumi.Input<string>,
  init: pulumi.Input<string>,
): k8s.types.input.core.v1.PodSpec {
  const password = (key: string) => ({ secretKeyRef: { name: args.secret, key } });
  // The binary itself: Debian's pg_isready is a Perl wrapper that costs half a core a second.
  const isReady = { command: ["sh", "-c", `pg_isready -q -h 127.0.0.1 -p ${serverPort}`] };
  return {
    ...restrictedPod(postgresUser),
    terminationGracePeriodSeconds: 60,
    containers: [
      {
        name: "postgres",
        image: args.image,
        args: [
          "postgres",
          ...Object.entries(serverParameters).flatMap(([k, v]) => ["-c", `${k}=${v}`]),
        ],
        ports: [{ name: "postgres", containerPort: serverPort }],
        env: [
          { name: "PGDATA", value: "/var/lib/postgresql/data/pgdata" },
          { name: "POSTGRES_USER", value: "postgres" },
          { name: "POSTGRES_INITDB_ARGS", value: initdbArguments },
          { name: "POSTGRES_HOST_AUTH_METHOD", value: "scram-sha-256" },
          { name: "POSTGRES_PASSWORD", valueFrom: password("superuser-password") },
          { name: "POOLER_PASSWORD", valueFrom: password("pooler-password") },
        ],
        resources: resourcesOf(args.cpu, args.memory),
        securityContext: restrictedContainer,
        startupProbe: { exec: isReady, periodSeconds: 1, failureThreshold: 120 },
        readinessProbe: { exec: isReady, periodSeconds: 2, timeoutSeconds: 2 },
        // SIGTERM would be a smart shutdown, which waits behind any open session until the kill.
        lifecycle: {
          preStop: { exec: { command: ["sh", "-c", 'pg_ctl stop -D "$PGDATA" -m fast -w'] } },
        },
        volumeMounts: [
          { name: "data", mountPath: "/var/lib/postgresql/data" },
          { name: "init", mountPath: "/docker-entrypoint-initdb.d" },
          { name: "run", mountPath: "/var/run/postgresql" },
          { name: "tmp", mountPath: "/tmp" },
        ],
      },
    ],
    volumes: [
      { name: "data", persistentVolumeClaim: { claimName: claim } },
      { name: "init", configMap: { name: init } },
      { name: "run", emptyDir: {} },
      { name: "tmp", emptyDir: {} },
    ],
  };
}
