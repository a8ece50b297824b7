import type { Client } from "pg";
import type { OldRole } from "../../engine/contracting/oldRoles";

/** The logins of an application's releases. */
export interface Logins {
  /** The role that all of them are members of; it begins their names. */
  readonly group: string;
  /** That of the release that serves. */
  readonly own: string;
  /** Those of all other releases that are declared, with the last migration that each knows. */
  readonly others: readonly OldRole[];
}

/**
 * The logins that may still use an old shape: of the other releases, and of those whose file is gone.
 * Roles stay when they are no longer declared, and what such a release knew is not known: it counts as
 * older than every migration.
 */
export async function oldLogins(client: Client, logins: Logins): Promise<readonly OldRole[]> {
  const { group, own, others } = logins;
  const { rows } = await client.query<{ name: string }>(
    `SELECT login.rolname AS name
       FROM pg_auth_members m
       JOIN pg_roles login ON login.oid = m.member
       JOIN pg_roles app ON app.oid = m.roleid
      WHERE app.rolname = $1 AND starts_with(login.rolname, $1 || '_') AND login.rolname <> ALL ($2)
      ORDER BY login.rolname`,
    [group, [own, ...others.map(({ name }) => name)]],
  );
  return [...others, ...rows];
}
