import { Client } from "pg";
import { UserError } from "../userError";
import { describeApiError } from "./apiError";
import { loadCluster } from "./client";
import type { PodPort } from "./readyPod";
import { PodStream } from "./podStream";
import { readPassword, type SecretKey } from "./postgres";

/** PgBouncer's pods, and who may ask them: a user of stats_users. */
export interface PoolerAddress extends Omit<PodPort, "cloneId">, SecretKey {
  readonly role: string;
}

/** One line of SHOW CLIENTS, as far as it is asked for. */
export interface PoolerClient {
  readonly user: string;
  readonly database: string;
}

const askMilliseconds = 15_000;

/**
 * The clients of every pooler there is, also of those on their way out: behind a pooler in
 * transaction mode a client need not have a session on the server.
 * @throws UserError naming the pod that does not tell
 */
export async function clientsOfPoolers(address: PoolerAddress): Promise<PoolerClient[]> {
  const { context, namespace, app } = address;
  const { items } = await loadCluster(context)
    .core.listNamespacedPod({ namespace, labelSelector: `app.kubernetes.io/name=${app}` })
    .catch((error: unknown) => {
      throw unanswered(address, app, describeApiError(error));
    });
  const pods = items
    .filter(({ status }) => status?.phase === "Running")
    .map(({ metadata }) => metadata?.name ?? "");
  const password = pods.length === 0 ? "" : await readPassword(address);
  const clients: PoolerClient[] = [];
  for (const pod of pods) {
    try {
      clients.push(
        ...(await askPooler(() => new PodStream({ ...address, pod }), address, password)),
      );
    } catch (error) {
      throw unanswered(address, pod, describeApiError(error));
    }
  }
  return clients;
}

/**
 * SHOW CLIENTS on one pooler's admin console.
 * @param stream a fresh connection to it
 */
export async function askPooler(
  stream: () => PodStream,
  { role }: Pick<PoolerAddress, "role">,
  password: string,
): Promise<PoolerClient[]> {
  const client = new Client({
    user: role,
    password,
    database: "pgbouncer",
    connectionTimeoutMillis: askMilliseconds,
    query_timeout: askMilliseconds,
    stream,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<PoolerClient>("SHOW CLIENTS");
    return rows.map(({ user, database }) => ({ user, database }));
  } finally {
    await client.end().catch(() => undefined);
  }
}

function unanswered(
  { context, namespace }: PoolerAddress,
  what: string,
  answer: string,
): UserError {
  return new UserError(
    `The pooler ${namespace}/${what} does not tell who its clients are.`,
    [answer],
    `kubectl --context ${context} get pods -n ${namespace}`,
  );
}
