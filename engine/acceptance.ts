import type { Client } from "pg";
import { readFacts } from "./session";

/**
 * The digests of the releases that this database has accepted, oldest first; none without a journal.
 * @param client a connected session
 */
export async function readAcceptances(client: Client): Promise<string[]> {
  const { journalExists } = await readFacts(client);
  if (!journalExists) return [];
  const { rows } = await client.query<{ digest: string }>(
    "SELECT release_digest AS digest FROM stateful_cd.acceptances ORDER BY accepted_at",
  );
  return rows.map(({ digest }) => digest);
}
