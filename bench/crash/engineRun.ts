import { Client } from "pg";
import { applyMigrations } from "../../engine/apply";
import { contractMigrations } from "../../engine/contract";
import { readMigrations } from "../../engine/files/migrationFolder";
import { readRepeatables } from "../../engine/files/repeatableFolder";
import { oldRole } from "./scenario";

/**
 * Everything a release does to a database: applies what is pending, then contracts.
 * @throws UserError, and an Error when the contract has to wait
 */
export async function runEngine(url: string, folder: string): Promise<void> {
  const connect = async (): Promise<Client> => {
    const client = new Client({ connectionString: url, pipeline: true });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  };
  const options = { connect, migrations: readMigrations(folder), lockDeadlineSeconds: 30 };
  await applyMigrations({ ...options, repeatables: readRepeatables(folder) });
  const { waiting } = await contractMigrations({
    ...options,
    oldRoles: [{ name: oldRole }],
    soakSeconds: 0,
    // Nobody but the matrix is here, and its databases have no pg_stat_statements.
    withoutStatements: true,
  });
  if (waiting.length > 0) throw new Error(waiting.join("; "));
}

/** As a process of its own: its arguments are the two of runEngine. */
if (require.main === module) {
  const [url = "", folder = ""] = process.argv.slice(2);
  runEngine(url, folder).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
