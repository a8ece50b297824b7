import type { DatabaseAddress } from "../kube/postgres";
import { databaseSecret, ownerOf } from "./databaseCredentials";
import { serverPort } from "./databasePod";

/** Where a server of an environment is, for whoever acts as the database's owner. */
export function addressOf(
  context: string,
  namespace: string,
  database: string,
  server: { readonly app?: string; readonly cloneId?: string | undefined } = {},
): DatabaseAddress {
  return {
    context,
    namespace,
    app: server.app ?? "database",
    ...(server.cloneId === undefined ? {} : { cloneId: server.cloneId }),
    port: serverPort,
    database,
    role: ownerOf(database),
    secret: databaseSecret,
    secretKey: "owner-password",
  };
}
