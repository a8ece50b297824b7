import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { UserError } from "../../userError";
import { quoted } from "../sql/catalogName";
import { definitionOf, probeDefinition } from "./indexDefinition";
import type { Recovery, RecoveryContext } from "./recoveryShape";
import type { QualifiedName } from "../sql/treeNames";

interface FoundIndex {
  readonly oid: string;
  readonly valid: boolean;
  /** Schema and name, quoted. */
  readonly qualified: string;
  /** A backend that is building an index of this name's table right now. */
  readonly builder: number | null;
}

/**
 * A concurrent build that a crash has cut off leaves an invalid index of the same name, or goes on
 * in a backend without a client. IF NOT EXISTS would keep the invalid one for ever.
 */
export function createIndexRecovery(
  action: { table: QualifiedName; index: string },
  context: RecoveryContext,
): Recovery {
  const { session, statement, deadlineSeconds, wait } = context;
  const { client } = session;
  const find = (): Promise<FoundIndex | undefined> => findIndex(client, action.table, action.index);
  return {
    prepare: async () => {
      const deadline = Date.now() + deadlineSeconds * 1000;
      let found = await find();
      for (let told = false; found !== undefined && isBeingBuilt(found); told = true) {
        const pid = String(found.builder);
        if (Date.now() > deadline) throw stillBuilding(action.index, pid, deadlineSeconds);
        if (!told) wait(`attached to the running build of ${action.index} (pid ${pid})`);
        await sleep(100);
        found = await find();
      }
      if (found === undefined) return "act";
      if (!found.valid) {
        await client.query(`DROP INDEX CONCURRENTLY ${found.qualified}`);
        return "act";
      }
      const wanted = await probeDefinition(session, statement.text, action.table);
      const present = await definitionOf(client, found.oid);
      if (wanted === present) return "done";
      throw new UserError(
        `The index ${found.qualified} exists already, with another definition.`,
        [`present: ${present}`, `wanted:  ${wanted}`],
        "give the new index another name, or drop the present one in a migration",
      );
    },
    cleanUp: async () => {
      const found = await find();
      if (found !== undefined && !found.valid && !isBeingBuilt(found)) {
        await client.query(`DROP INDEX CONCURRENTLY ${found.qualified}`);
      }
    },
    isDone: async () => (await find())?.valid === true,
  };
}

function isBeingBuilt({ valid, builder }: FoundIndex): boolean {
  return !valid && builder !== null;
}

async function findIndex(
  client: Client,
  table: QualifiedName,
  index: string,
): Promise<FoundIndex | undefined> {
  const { rows } = await client.query<FoundIndex>(
    `SELECT c.oid::text, i.indisvalid AND i.indisready AS valid,
            format('%I.%I', n.nspname, c.relname) AS qualified,
            (SELECT p.pid FROM pg_stat_progress_create_index p
              WHERE p.relid = i.indrelid AND p.index_relid IN (0, c.oid)
                AND p.command LIKE 'CREATE INDEX%' AND p.pid <> pg_backend_pid() LIMIT 1) AS builder
       FROM pg_index i
       JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE i.indrelid = to_regclass($1)::oid AND c.relname = $2`,
    [quoted(client, table), index],
  );
  return rows[0];
}

/** Drops the invalid copies that an interrupted REINDEX CONCURRENTLY of a table or index has left. */
export async function dropInvalidCopies(client: Client, relation: string): Promise<void> {
  const { rows } = await client.query<{ qualified: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS qualified
       FROM pg_index i
       JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND n.nspname <> 'pg_toast'
        AND i.indrelid IN ($1::oid, (SELECT indrelid FROM pg_index WHERE indexrelid = $1::oid))`,
    [relation],
  );
  for (const { qualified } of rows) await client.query(`DROP INDEX CONCURRENTLY ${qualified}`);
}

function stillBuilding(index: string, pid: string, seconds: number): UserError {
  return new UserError(
    `Another backend (pid ${pid}) is still building ${index}.`,
    [`Waited ${seconds} s for it.`],
    `wait until it has ended, or end it: SELECT pg_terminate_backend(${pid})`,
  );
}
