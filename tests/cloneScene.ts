import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { CoreV1Api, type KubernetesObject } from "../kube/clusterClient";
import { hasNamespace, removeNamespace } from "../kube/namespace";
import { list } from "../kube/objects";
import { runtime } from "../local/paths";
import { connectToPostgres, type DatabaseAddress } from "../kube/postgres";
import { initdbArguments, initScript, serverParameters } from "../components/serverSetup";
import { apply, eventually, identity } from "./pods";
import { adminContext } from "./testStack";

export const programContext = "stateful-cd";
export const serverImage = "localhost/postgres:17.9";
export const production = "bookkeeper-cl-prod";
export const staging = "bookkeeper-cl-staging";
const admin = identity("admin");
const program = identity("program");

/** Any object as a manifest would have it. */
const object = (fields: object): KubernetesObject => fields;

/** A namespace as the program's own Environment makes it. */
export async function makeNamespace(name: string): Promise<void> {
  if (await hasNamespace(adminContext, name)) await removeNamespace(adminContext, name, 120);
  await apply(
    program,
    object({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: {
        name,
        labels: {
          "app.kubernetes.io/part-of": name,
          "pod-security.kubernetes.io/enforce": "restricted",
        },
      },
    }),
    object({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "stateful-cd", namespace: name },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        name: "stateful-cd-namespace",
      },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "stateful-cd" }],
    }),
  );
}

/** Random passwords of the database's roles in a Secret, as the program's Credentials make them. */
export async function makePasswords(namespace: string): Promise<void> {
  const draw = () => randomBytes(18).toString("base64url");
  await apply(
    admin,
    object({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "database", namespace },
      stringData: {
        "superuser-password": draw(),
        "owner-password": draw(),
        "pooler-password": draw(),
      },
    }),
  );
}

export async function makeClaim(
  namespace: string,
  name: string,
  size: string,
  snapshot?: string,
): Promise<void> {
  const dataSource = {
    apiGroup: "snapshot.storage.k8s.io",
    kind: "VolumeSnapshot",
    name: snapshot,
  };
  await apply(
    program,
    object({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name, namespace },
      spec: {
        accessModes: ["ReadWriteOncePod"],
        resources: { requests: { storage: size } },
        ...(snapshot === undefined ? {} : { dataSource }),
      },
    }),
  );
}

/** A server as the program's DatabaseServer runs it, as a pod of its own, on a claim. */
export async function startServer(namespace: string, claim: string, app = claim): Promise<void> {
  const password = (key: string) => ({ secretKeyRef: { name: "database", key } });
  await apply(
    admin,
    object({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "init", namespace },
      data: { "pooler.sh": initScript },
    }),
    object({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: app, namespace, labels: { "app.kubernetes.io/name": app } },
      spec: {
        terminationGracePeriodSeconds: 1,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 999,
          runAsGroup: 999,
          fsGroup: 999,
          fsGroupChangePolicy: "OnRootMismatch",
          seccompProfile: { type: "RuntimeDefault" },
        },
        containers: [
          {
            name: "postgres",
            image: serverImage,
            args: [
              "postgres",
              ...Object.entries(serverParameters).flatMap(([k, v]) => ["-c", `${k}=${v}`]),
            ],
            env: [
              { name: "PGDATA", value: "/var/lib/postgresql/data/pgdata" },
              { name: "POSTGRES_INITDB_ARGS", value: initdbArguments },
              { name: "POSTGRES_HOST_AUTH_METHOD", value: "scram-sha-256" },
              { name: "POSTGRES_PASSWORD", valueFrom: password("superuser-password") },
              { name: "POOLER_PASSWORD", valueFrom: password("pooler-password") },
            ],
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
            readinessProbe: {
              exec: { command: ["pg_isready", "-q", "-h", "127.0.0.1"] },
              periodSeconds: 1,
            },
            volumeMounts: [
              { name: "data", mountPath: "/var/lib/postgresql/data" },
              { name: "init", mountPath: "/docker-entrypoint-initdb.d" },
            ],
          },
        ],
        volumes: [
          { name: "data", persistentVolumeClaim: { claimName: claim } },
          { name: "init", configMap: { name: "init" } },
        ],
      },
    }),
  );
}

export function serverAt(
  namespace: string,
  app: string,
  role = "postgres",
  secretKey = "superuser-password",
  database = "postgres",
): DatabaseAddress {
  return {
    context: programContext,
    namespace,
    app,
    port: 5432,
    database,
    role,
    secret: "database",
    secretKey,
  };
}

export async function ask(
  address: DatabaseAddress,
  sql: string,
  seconds = 60,
): Promise<Record<string, unknown>[]> {
  const client = await connectToPostgres(address, seconds, "a test");
  try {
    const result = await client.query<Record<string, unknown>>(sql);
    return result.rows;
  } finally {
    await client.end();
  }
}

export interface ProcessResult {
  readonly status: number | null;
  readonly lines: readonly string[];
  readonly errors: string;
  readonly outputs: Record<string, unknown>;
}

/** Runs one method of a kind in a process of its own; kills it when a line says so. */
export async function runKind(
  kind: string,
  method: string,
  args: readonly unknown[],
  killAt?: (line: string) => boolean,
  kubeconfig = process.env.KUBECONFIG,
): Promise<ProcessResult> {
  const file = path.join(__dirname, "cloneProcess.js");
  const child = spawn(process.execPath, [file, kind, method, JSON.stringify(args)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, KUBECONFIG: kubeconfig },
  });
  const lines: string[] = [];
  let errors = "";
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    if (killAt?.(line) === true) child.kill("SIGKILL");
  });
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  const result = lines.find((line) => line.startsWith("result "))?.slice("result ".length);
  const outputs = result === undefined ? {} : (JSON.parse(result) as Record<string, unknown>);
  return { status, lines, errors: errors.trim(), outputs };
}

/** Waits until a pod of the administrator's making is gone, and with it its hold on a claim. */
export async function stopServer(namespace: string, name: string): Promise<void> {
  const core = admin.makeApiClient(CoreV1Api);
  await core.deleteNamespacedPod({ namespace, name });
  await eventually(`end of ${name}`, 60, async () => {
    const { items } = await core.listNamespacedPod({ namespace });
    return items.some(({ metadata }) => metadata?.name === name) ? undefined : true;
  });
}

/** Snapshots in the storage that no content of the cluster knows: nobody would ever remove them. */
export async function orphansInStorage(): Promise<string[]> {
  const folder = path.join(runtime.pool, "snap");
  if (!existsSync(folder)) return [];
  const contents = await list(adminContext, "VolumeSnapshotContent");
  const known = contents.map(
    ({ spec, status }) => status?.snapshotHandle ?? spec.source.snapshotHandle,
  );
  return readdirSync(folder).filter((name) => !known.includes(name));
}

/** What production has: roles, rows, a slot and a subscription, and what must not get to staging. */
export async function fillProduction(): Promise<void> {
  const server = serverAt(production, "database");
  await ask(server, "select pg_create_logical_replication_slot('kept', 'pgoutput')");
  await ask(
    server,
    `create role bookkeeper_owner login password 'old';
     create role bookkeeper_app;
     create role bookkeeper_app_0_9_0 nologin password 'old' in role bookkeeper_app;
     create role bookkeeper_app_1_0_0 login password 'old' in role bookkeeper_app;
     create role "a ""strange"" person" login superuser password 'old';
     create table goods as select i as id, md5(i::text) as name from generate_series(1, 50000) i;
     create subscription following connection 'host=production.example password=secret'
       publication everything with (connect = false)`,
  );
  await plantSecrets();
}

/** What of production must not get to staging: in settings, and in a database that lets nobody in. */
async function plantSecrets(): Promise<void> {
  const server = serverAt(production, "database");
  for (const setting of [
    "archive_mode = on",
    "archive_command = 'touch /tmp/the-archive-of-production'",
    "synchronous_standby_names = 'nobody'",
    "cluster_name = 'production'",
    "port = 5433",
    "work_mem = '8MB'",
  ]) {
    await ask(server, `alter system set ${setting}`);
  }
  await ask(server, "create database closed");
  for (const database of ["postgres", "closed"]) {
    await ask(
      serverIn(production, "database", database),
      `create foreign data wrapper nothing;
       create server elsewhere foreign data wrapper nothing options (host 'production.example');
       create user mapping for public server elsewhere options (password 'production');
       create user mapping for bookkeeper_app_1_0_0 server elsewhere options (password 'production')`,
    );
  }
  await ask(server, "alter database closed allow_connections false");
}

/** The superuser in one of a server's databases. */
export const serverIn = (namespace: string, app: string, database: string) =>
  serverAt(namespace, app, "postgres", "superuser-password", database);
