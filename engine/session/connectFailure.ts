import { UserError } from "../../userError";
import { explainConnectionError, messageOf } from "./databaseErrors";

/** What mends a connection that fails the same way each time; undefined for what may pass. */
function mendingOf(error: NodeJS.ErrnoException): string | undefined {
  const { code = "", message, syscall } = error;
  if (message === "The server does not support SSL connections") {
    return "leave sslmode and PGSSLMODE out, or set up TLS on the server (ssl = on)";
  }
  if (message.startsWith("SASL")) return "give the password in the URL or in PGPASSWORD";
  if (code === "ERR_SOCKET_BAD_PORT") return "correct the port in the URL or in PGPORT";
  if (syscall === "open") return "correct the name of the certificate's file";
  if (/^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_)|SELF_SIGNED/.test(code)) {
    return "name the certificate that signed the server's: sslrootcert=FILE in the URL, and a host that it is for";
  }
  return undefined;
}

/** Makes a failure to connect readable; what is no such failure stays what it is. */
export function explainConnectFailure(error: unknown): unknown {
  const next = error instanceof Error ? mendingOf(error) : undefined;
  if (next === undefined) return explainConnectionError(error);
  return new UserError("The connection to PostgreSQL failed.", [messageOf(error)], next);
}
