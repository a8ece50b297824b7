import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { UserError } from "../userError";

/** PostgreSQL's default since version 16; earlier servers accept any number. */
const iterations = 4096;
const saltBytes = 16;

/**
 * What PostgreSQL stores of a password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`
 * (RFC 5803). With it a role gets a password that no statement and no log ever carries.
 * @param password printable ASCII: beyond it, server and clients may normalise differently
 * @throws UserError when it is empty or has other characters
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(saltBytes)): string {
  if (!/^[\x20-\x7e]+$/.test(password)) {
    throw new UserError(
      "A password is empty or has characters beyond printable ASCII.",
      [],
      "put another one into its Secret",
    );
  }
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const keyOf = (name: string) => createHmac("sha256", salted).update(name).digest();
  const storedKey = createHash("sha256").update(keyOf("Client Key")).digest();
  const base64 = (bytes: Buffer) => bytes.toString("base64");
  return `SCRAM-SHA-256$${iterations}:${base64(salt)}$${base64(storedKey)}:${base64(keyOf("Server Key"))}`;
}
