import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { UserError } from "../userError";
import { describeApiError } from "./apiError";
import { loadCluster } from "./client";
import { PodStream } from "./podStream";
import { NotReady } from "./readyPod";

/** Where a password is, in names only. */
export interface SecretKey {
  /** kubeconfig context */
  readonly context: string;
  readonly namespace: string;
  /** the Secret that holds the role's password, and the key in it */
  readonly secret: string;
  readonly secretKey: string;
}

/**
 * Where a database is and who logs in, in names only: no password, so it may stand in Pulumi's
 * state and in messages.
 */
export interface DatabaseAddress extends SecretKey {
  /** label `app.kubernetes.io/name` of the server's pod */
  readonly app: string;
  readonly port: number;
  /** the clone that the server runs on, if it is one */
  readonly cloneId?: string;
  readonly database: string;
  readonly role: string;
}

/** How a database is called in messages and in the migration journal. */
export function nameOf(address: DatabaseAddress): string {
  return `${address.namespace}/${address.database}`;
}

/**
 * A new session on the server itself, through the Kubernetes API. A server that is starting is
 * waited for.
 * @param deadlineSeconds how long to try; 0 tries once
 * @throws UserError naming the database, what refused and the next command
 */
export async function connectToPostgres(
  address: DatabaseAddress,
  deadlineSeconds: number,
  applicationName: string,
): Promise<Client> {
  const deadline = Date.now() + deadlineSeconds * 1000;
  for (;;) {
    try {
      return await connectOnce(address, applicationName);
    } catch (error) {
      if (!isWorthWaiting(error) || Date.now() >= deadline) throw explain(address, error);
    }
    await sleep(500);
  }
}

async function connectOnce(address: DatabaseAddress, applicationName: string): Promise<Client> {
  const client = new Client({
    user: address.role,
    password: await readPassword(address),
    database: address.database,
    application_name: applicationName,
    connectionTimeoutMillis: 15_000,
    // The engine sends what it does under a lock in one go: through the API a round trip is long.
    pipeline: true,
    stream: () => new PodStream(address),
  });
  // Without a listener a connection lost between two queries would end the whole process; the
  // next query reports it.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** @throws UserError that names the Secret */
export async function readPassword({ context, namespace, secret, secretKey }: SecretKey) {
  const found = await loadCluster(context)
    .core.readNamespacedSecret({ namespace, name: secret })
    .catch((error: unknown) => {
      throw new UserError(
        `Cannot read the Secret ${namespace}/${secret}.`,
        [describeApiError(error)],
        `kubectl --context ${context} get secret ${secret} -n ${namespace}`,
      );
    });
  const password = found.data?.[secretKey];
  if (password === undefined) {
    throw new UserError(
      `The Secret ${namespace}/${secret} has no key "${secretKey}".`,
      [`It has: ${Object.keys(found.data ?? {}).join(", ") || "none"}.`],
      "pulumi refresh, then pulumi up",
    );
  }
  return Buffer.from(password, "base64").toString("utf8");
}

const starting = new Set(["57P03", "08006", "08001", "53300"]);
const networkCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT"]);

/** A server that starts, a pod that is being replaced, a network that hiccups: these pass. */
function isWorthWaiting(error: unknown): boolean {
  if (error instanceof UserError) return error instanceof NotReady;
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  if (code !== undefined) return starting.has(code) || networkCodes.has(code);
  return true;
}

function explain(address: DatabaseAddress, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return new UserError(
    `Cannot connect to database ${nameOf(address)} as ${address.role}.`,
    [`PostgreSQL in pod "${address.app}" answered: ${describeApiError(error)}`],
    `kubectl --context ${address.context} logs -n ${address.namespace} -l app.kubernetes.io/name=${address.app} --tail 20`,
  );
}
