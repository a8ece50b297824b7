import type { Client } from "pg";
import { isSettled, type MigrationState } from "../journal/journal";
import type { Migration } from "../files/migration";
import { archivedName } from "./syncNames";
import { oldColumnsOf, type Sync, syncOf } from "../files/syncFile";
import { readSyncTable } from "./syncTable";

/**
 * What a migration does after its statements, for people; writes and locks nothing.
 * @returns nothing for a plain migration and for one that is done
 */
export async function laterSteps(
  client: Client,
  migration: Migration,
  state: MigrationState,
): Promise<string[]> {
  if (migration.kind === "plain" || state === "done") return [];
  const sync = syncOf(migration)?.sync;
  const contract = contractOf(migration, sync);
  if (isSettled(state) || sync === undefined) return contract;
  const table = await readSyncTable(client, sync.table);
  // A table that was never analysed has no estimate.
  const estimate = Math.round(table?.estimatedRows ?? 0);
  const rows = estimate === 0 ? "all" : `about ${estimate.toLocaleString("en-US")}`;
  const hasChecks = migration.files.some(({ phase }) => phase === "check");
  const rejects = sync.kind === "fill" ? "" : `; rows that do not convert: ${sync.rejects}`;
  return [
    `sync      ${inStep(sync)}`,
    `backfill  ${rows} rows of ${sync.table}${rejects}`,
    `audit     every row${hasChecks ? ", then checks/*.sql" : ""}`,
    ...contract,
  ];
}

function inStep(sync: Sync): string {
  if (sync.kind === "columns") {
    return `${sync.table}: ${sync.old.join(", ")} <-> ${sync.new.join(", ")}`;
  }
  if (sync.kind === "fill") return `${sync.table}: ${sync.new} by its default, without a trigger`;
  const { table, name, id } = sync.references;
  return `${sync.table}: ${sync.name} <-> ${sync.id}, by ${table} (${name}, ${id})`;
}

function contractOf({ files }: Migration, sync: Sync | undefined): string[] {
  const old = sync === undefined ? [] : oldColumnsOf(sync);
  const steps = [
    ...(files.some(({ phase }) => phase === "contract") ? ["contract.sql"] : []),
    ...old.map((column) => `${column} becomes ${archivedName(column)}`),
  ];
  return steps.length === 0
    ? []
    : [`contract  ${steps.join(", ")}; once no old release is connected`];
}
