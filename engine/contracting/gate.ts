import type { Client } from "pg";
import { UserError } from "../../userError";
import { audit } from "../sync/audit";
import type { MigrationState } from "../journal/journal";
import type { Migration } from "../files/migration";
import { planSync } from "../sync/planSync";
import { printable } from "../sql/sourceText";

/**
 * Why the old shape has to stay for now, for people; undefined when nothing stands against its end.
 * @param client a session outside of any transaction
 * @param oldRoles login roles of releases that know only the old shape
 */
export async function whyContractWaits(
  client: Client,
  migration: Migration,
  state: MigrationState,
  oldRoles: readonly string[],
): Promise<string | undefined> {
  if (state !== "verified" && state !== "rolled_out" && state !== "contracting") {
    return `is ${state}, and must be verified first`;
  }
  const sessions = await oldSessions(client, oldRoles);
  if (sessions !== undefined) return sessions;
  return whatAuditFinds(client, migration);
}

/** Sessions of all old roles on this database, whoever may look at what they run. */
async function oldSessions(
  client: Client,
  oldRoles: readonly string[],
): Promise<string | undefined> {
  const { rows } = await client.query<{ role: string; count: number; applications: string }>(
    `SELECT usename AS role, count(*)::int AS count,
            string_agg(DISTINCT quote_literal(application_name), ', ') AS applications
       FROM pg_stat_activity
      WHERE datname = current_database() AND usename = ANY ($1)
      GROUP BY usename ORDER BY usename`,
    [oldRoles],
  );
  if (rows.length === 0) return undefined;
  const each = rows.map(({ role, count, applications }) =>
    printable(`${role} has ${count === 1 ? "a session" : `${count} sessions`} (${applications})`),
  );
  return `an old release is connected: ${each.join("; ")}`;
}

async function whatAuditFinds(client: Client, migration: Migration): Promise<string | undefined> {
  let live;
  try {
    live = await planSync(client, migration);
  } catch (error) {
    // What has become of the tables since is a reason to wait; a lost connection is not.
    if (!(error instanceof UserError)) throw error;
    return [error.problem, ...error.details].join(" ");
  }
  if (live === undefined) return undefined;
  const [finding] = await audit(client, live);
  if (finding === undefined) return undefined;
  const [first] = finding.rows;
  return `the audit found a mistake. ${finding.problem}${first === undefined ? "" : `, the first is ${first}`}`;
}
