import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { declareReach } from "./network";
import { settledWith } from "./order";
import {
  labelsOf,
  metadataOf,
  resourcesOf,
  restrictedContainer,
  restrictedPod,
  unawaited,
} from "./workload";

export interface DatabaseServerArgs {
  readonly namespace: pulumi.Input<string>;
  /** Image and version of PostgreSQL; the official image's contract. */
  readonly image: string;
  /** The Secret with `superuser-password` and `pooler-password`. */
  readonly secret: pulumi.Input<string>;
  /** Size of the volume, e.g. 4Gi. It can grow, never shrink. */
  readonly storage: string;
  readonly storageClass?: string | undefined;
  readonly cpu: string;
  readonly memory: string;
  /** Whether Pulumi refuses to delete server and volume. */
  readonly protect: boolean;
  /** Apps whose pods may connect, besides the program itself. */
  readonly clients: readonly string[];
}

/** The pod's label and the Service's name. */
const app = "database";
const port = 5432;
/** uid of `postgres` in the official image. */
const postgresUser = 999;

/**
 * What a server must have from its first start, because it cannot be changed without a restart or
 * a new initdb: page checksums, no trust even on loopback (a port-forward arrives there), logical
 * decoding for upgrades and statement statistics for the rehearsal. Neither statistics nor the
 * log of the superuser's errors keep utility statements: CREATE ROLE carries a password.
 */
const initdb = "--data-checksums --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8";
const parameters = {
  wal_level: "logical",
  shared_preload_libraries: "pg_stat_statements",
  "pg_stat_statements.track_utility": "off",
  password_encryption: "scram-sha-256",
};

/**
 * What the pooler needs to let any role in without knowing its password: the role's SCRAM
 * verifier. In template1, so that every database made from it has it.
 */
const initScript = `set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname template1 <<'SQL'
\\getenv password POOLER_PASSWORD
alter role postgres set log_min_error_statement = panic;
create extension pg_stat_statements;
create role pooler login password :'password';
create schema pooler authorization postgres;
create function pooler.verifier_of(inout role name, out verifier text) returns record
  language sql security definer set search_path = pg_catalog
  as 'select rolname, rolpassword from pg_authid where rolname = $1 and rolcanlogin and not rolsuper';
revoke all on schema pooler from public;
revoke all on function pooler.verifier_of(name) from public;
grant usage on schema pooler to pooler;
grant execute on function pooler.verifier_of(name) to pooler;
SQL
`;

/** PostgreSQL: one pod on one claim that no second pod can mount, and the Service to reach it. */
export class DatabaseServer extends pulumi.ComponentResource {
  readonly app = app;
  readonly port = port;
  /** The Service's name, known once the server accepts connections. */
  readonly service: pulumi.Output<string>;
  readonly claim: pulumi.Output<string>;
  /** What owns every object inside the database: with it, they go. */
  readonly statefulSet: k8s.apps.v1.StatefulSet;

  constructor(name: string, args: DatabaseServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:DatabaseServer", name, {}, opts);
    const { namespace } = args;
    const kept = { parent: this, protect: args.protect };

    const claim = new k8s.core.v1.PersistentVolumeClaim(
      `${name}-claim`,
      {
        metadata: metadataOf(app, namespace, unawaited),
        spec: {
          // ReadWriteOnce would let two pods of one node run a server on one data folder.
          accessModes: ["ReadWriteOncePod"],
          resources: { requests: { storage: args.storage } },
          ...(args.storageClass ? { storageClassName: args.storageClass } : {}),
        },
      },
      kept,
    );
    const init = new k8s.core.v1.ConfigMap(
      `${name}-init`,
      { metadata: metadataOf(`${app}-init`, namespace), data: { "pooler.sh": initScript } },
      { parent: this },
    );
    const service = declareReach(
      name,
      { app, namespace, port, portName: "postgres", clients: args.clients, calls: [] },
      { parent: this },
    );
    this.statefulSet = new k8s.apps.v1.StatefulSet(
      `${name}-server`,
      {
        metadata: metadataOf(app, namespace),
        spec: {
          replicas: 1,
          serviceName: app,
          podManagementPolicy: "Parallel",
          selector: { matchLabels: labelsOf(app) },
          template: {
            metadata: { labels: labelsOf(app) },
            spec: podOf(args, claim.metadata.name, init.metadata.name),
          },
        },
      },
      { ...kept, customTimeouts: { create: "3m", update: "3m" } },
    );
    this.claim = claim.metadata.name;
    this.service = settledWith(service.metadata.name, this.statefulSet.metadata.name);
    this.registerOutputs({ service: this.service, claim: this.claim });
  }
}

function podOf(
  args: DatabaseServerArgs,
  claim: pulumi.Input<string>,
  init: pulumi.Input<string>,
): k8s.types.input.core.v1.PodSpec {
  const password = (key: string) => ({ secretKeyRef: { name: args.secret, key } });
  // The binary itself: Debian's pg_isready is a Perl wrapper that costs half a core a second.
  const isReady = { command: ["sh", "-c", `pg_isready -q -h 127.0.0.1 -p ${port}`] };
  return {
    ...restrictedPod(postgresUser),
    terminationGracePeriodSeconds: 60,
    containers: [
      {
        name: "postgres",
        image: args.image,
        args: ["postgres", ...Object.entries(parameters).flatMap(([k, v]) => ["-c", `${k}=${v}`])],
        ports: [{ name: "postgres", containerPort: port }],
        env: [
          { name: "PGDATA", value: "/var/lib/postgresql/data/pgdata" },
          { name: "POSTGRES_USER", value: "postgres" },
          { name: "POSTGRES_INITDB_ARGS", value: initdb },
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
