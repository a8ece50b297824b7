import type { Client } from "pg";
import { type Connect, type Session, withSession } from "../session/session";

/** Runs `use` with a session that may ALTER roles: one of its own where there is such a login. */
export function withAdministrator<T>(
  session: Session,
  { administrator }: { readonly administrator?: Connect },
  use: (administrator: Client) => Promise<T>,
): Promise<T> {
  if (administrator === undefined) return use(session.client);
  return withSession(administrator, ({ client }) => use(client));
}
