import type { Client } from "pg";
import { type ObjectFacts, type ObjectGrant, readObjects } from "../schema/objectFacts";
import { addressesOf, nameOfDefinition } from "../schema/objectAddresses";
import type { Definition } from "../sql/definition";

/**
 * Gives an object that was dropped and made again what its definition does not say: owner, rights
 * and comments, as far as its columns are still there. What its file says of them comes after this.
 * @param before what was dropped
 */
export async function restoreMade(
  client: Client,
  definition: Definition,
  before: readonly ObjectFacts[],
): Promise<void> {
  if (before.length === 0) return;
  const made = await addressesOf(client, [nameOfDefinition(definition)]);
  const [facts] = await readObjects(client, made);
  const was = before.find(
    ({ kind, identity }) => kind === facts?.kind && identity === facts.identity,
  );
  if (was !== undefined && facts !== undefined) await restore(client, was, facts);
}

async function restore(client: Client, before: ObjectFacts, now: ObjectFacts): Promise<void> {
  if (before.owner !== null && before.owner !== now.owner) {
    await client.query(`ALTER ${now.ddl} OWNER TO ${before.owner}`);
  }
  const [owned = now] = await readObjects(client, [now]);
  for (const grant of owned.grants.filter((one) => !has(before.grants, one))) {
    await client.query(`REVOKE ${rightOn(owned, grant)} FROM ${grant.to}`);
  }
  for (const grant of before.grants.filter((one) => !has(owned.grants, one))) {
    if (grant.column !== "" && !owned.columns.includes(grant.column)) continue;
    const option = grant.mayGrant ? " WITH GRANT OPTION" : "";
    await client.query(`GRANT ${rightOn(owned, grant)} TO ${grant.to}${option}`);
  }
  for (const { on, text } of before.comments) {
    const place = on === before.ddl ? owned.ddl : on;
    if (!isThere(owned, place)) continue;
    await client.query(`COMMENT ON ${place} IS ${client.escapeLiteral(text)}`);
  }
}

function has(grants: readonly ObjectGrant[], wanted: ObjectGrant): boolean {
  return grants.some((one) => JSON.stringify(one) === JSON.stringify(wanted));
}

function rightOn({ ddl }: ObjectFacts, { privilege, column }: ObjectGrant): string {
  const columns = column === "" ? "" : ` (${column})`;
  return `${privilege}${columns} ON ${ddl.replace(/^VIEW /, "TABLE ")}`;
}

/** A comment on a column that is gone goes with it. */
function isThere({ ddl, columns }: ObjectFacts, on: string): boolean {
  if (on === ddl) return true;
  const prefix = `${ddl.replace(/^VIEW /, "COLUMN ")}.`;
  return on.startsWith(prefix) && columns.includes(on.slice(prefix.length));
}
