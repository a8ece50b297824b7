import type { Client } from "pg";
import { UserError } from "../../userError";
import { columnSync } from "../sync/columnSync";
import type { Quoting } from "../sync/quoting";
import { ensureSyncable } from "./ensureSyncable";
import { fillSync } from "../sync/fillSync";
import type { LiveSync } from "../sync/liveSync";
import { lookupSync } from "../sync/lookupSync";
import type { Migration } from "../files/migration";
import { syncOf } from "../files/syncFile";
import { ensureRoundTrip } from "./roundTrip";
import { withCasts } from "../sync/sameValue";
import { syncTagOf } from "../sync/syncNames";
import { readSyncTable } from "../sync/syncTable";

/**
 * A migration's sync.yaml on this database; undefined for a migration without one.
 * @param client a session outside of any transaction
 * @throws UserError with everything that stands against it
 */
export async function planSync(
  client: Client,
  migration: Migration,
): Promise<LiveSync | undefined> {
  const found = syncOf(migration);
  if (found === undefined) return undefined;
  const { file, sync } = found;
  const table = await readSyncTable(client, sync.table);
  const target =
    sync.kind === "lookup" ? await readSyncTable(client, sync.references.table) : undefined;
  await ensureSyncable(client, { id: migration.id, file }, sync, { table, target });
  if (table === undefined) throw new UserError(`There is no table ${sync.table}.`);
  const quoting = quotingOf(client);
  const tag = syncTagOf(migration);
  if (sync.kind === "columns") {
    return columnSync(withCasts(sync, table, quoting), table, migration.id, tag, quoting);
  }
  if (sync.kind === "fill") return fillSync(sync, table, quoting);
  if (target === undefined) throw new UserError(`There is no table ${sync.references.table}.`);
  return lookupSync(sync, { table, target }, migration.id, tag, quoting);
}

/**
 * Tries the expressions of a migration whose sync can be planned; a lookup has none.
 * @param client a session outside of any transaction
 * @throws UserError with the values that they do not keep
 */
export async function trySync(
  client: Client,
  migration: Migration,
  { table }: LiveSync,
): Promise<void> {
  const found = syncOf(migration);
  if (found?.sync.kind === "columns") {
    await ensureRoundTrip(
      client,
      { id: migration.id, file: found.file },
      withCasts(found.sync, table, quotingOf(client)),
      table,
    );
  }
}

function quotingOf(client: Client): Quoting {
  return {
    name: (name) => client.escapeIdentifier(name),
    text: (text) => client.escapeLiteral(text),
  };
}
