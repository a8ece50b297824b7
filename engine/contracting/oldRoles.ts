import type { Client } from "pg";
import type { Migration } from "../files/migration";
import { compareNumbers, parseMigrationName } from "../files/migrationName";
import { messageOf, sqlState, stateOf } from "../session/databaseErrors";
import { printable } from "../sql/sourceText";

/** The login of another release. */
export interface OldRole {
  readonly name: string;
  /** The last migration that its release knows; without it, the release knows none. */
  readonly knows?: string;
}

/** The logins whose releases know only the shape before this migration. */
export function rolesBefore(roles: readonly OldRole[], { number }: Migration): string[] {
  return roles
    .filter(({ knows }) => {
      const last = knows === undefined ? undefined : parseMigrationName(knows)?.number;
      return last === undefined || compareNumbers(last, number) < 0;
    })
    .map(({ name }) => name);
}

/** Sessions of these roles on this database, as a reason to wait; whoever may look at what they run. */
export async function sessionsOf(
  client: Client,
  roles: readonly string[],
): Promise<string | undefined> {
  const { rows } = await client.query<{ role: string; count: number; applications: string }>(
    `SELECT usename AS role, count(*)::int AS count,
            string_agg(DISTINCT quote_literal(application_name), ', ') AS applications
       FROM pg_stat_activity
      WHERE datname = current_database() AND usename = ANY ($1)
      GROUP BY usename ORDER BY usename`,
    [roles],
  );
  if (rows.length === 0) return undefined;
  const each = rows.map(({ role, count, applications }) =>
    printable(`${role} has ${count === 1 ? "a session" : `${count} sessions`} (${applications})`),
  );
  return `an old release is connected: ${each.join("; ")}`;
}

/** Those of the roles that can log in. */
export async function openRoles(client: Client, roles: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT rolname AS name FROM pg_roles WHERE rolname = ANY ($1) AND rolcanlogin ORDER BY rolname",
    [roles],
  );
  return rows.map(({ name }) => name);
}

/**
 * Takes LOGIN from roles, or gives it back. The owner of a schema may not do that, so the session
 * is that of somebody who may; where it is not, another one can do it by hand.
 * @param isTried leaves everything as it is
 * @returns what could not be done, as a reason to wait
 */
export async function setLogin(
  administrator: Client,
  roles: readonly string[],
  login: "LOGIN" | "NOLOGIN",
  isTried = false,
): Promise<string | undefined> {
  if (roles.length === 0) return undefined;
  await administrator.query("BEGIN");
  let statement = "";
  try {
    for (const role of roles) {
      statement = `ALTER ROLE ${administrator.escapeIdentifier(role)} ${login}`;
      await administrator.query(statement);
    }
    await administrator.query(isTried ? "ROLLBACK" : "COMMIT");
    return undefined;
  } catch (error) {
    await administrator.query("ROLLBACK");
    if (stateOf(error) !== sqlState.noRight) throw error;
    return `somebody who may has to say ${statement} (${messageOf(error)})`;
  }
}
