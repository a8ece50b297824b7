import type { Client } from "pg";
import { quoted, relationOf } from "../sql/catalogName";
import { createIndexRecovery, dropInvalidCopies } from "./concurrentIndex";
import type { Recovery, RecoveryContext } from "./recoveryShape";
import type { AloneAction } from "../sql/statement";
import type { QualifiedName } from "../sql/treeNames";

export function recoveryOf(action: AloneAction, context: RecoveryContext): Recovery {
  const { client } = context.session;
  switch (action.action) {
    case "createIndex":
      return createIndexRecovery(action, context);
    case "dropIndex":
      return byCatalog(async () => (await relationOf(client, action.index)) === null);
    case "reindex":
      return reindexRecovery(client, action.relation);
    case "detachPartition":
      return detachRecovery(client, action.table, action.partition);
    case "addEnumValue":
      return byCatalog(() => hasEnumValue(client, action.type, action.value));
    case "object":
      return byCatalog(async () => (await objectExists(client, action)) === action.created);
    case "repeat":
    case "parts":
      return { ...nothingLeft, prepare: () => Promise.resolve("act") };
    case "unknown":
      return { ...nothingLeft, prepare: (resumed) => Promise.resolve(resumed ? "unknown" : "act") };
  }
}

const nothingLeft = {
  cleanUp: () => Promise.resolve(),
  isDone: () => Promise.resolve(true),
};

/**
 * For statements that leave nothing half done. The catalog is asked first only after a crash: on a
 * first attempt "already exists" is the author's mistake and PostgreSQL's to report.
 */
function byCatalog(isDone: () => Promise<boolean>): Recovery {
  return {
    prepare: async (resumed) => (resumed && (await isDone()) ? "done" : "act"),
    cleanUp: () => Promise.resolve(),
    isDone,
  };
}

function reindexRecovery(client: Client, relation: QualifiedName | undefined): Recovery {
  const clear = async (): Promise<void> => {
    if (relation === undefined) return;
    const oid = await relationOf(client, relation);
    if (oid !== null) await dropInvalidCopies(client, oid);
  };
  return {
    prepare: async (resumed) => {
      if (resumed) await clear();
      return "act";
    },
    cleanUp: clear,
    isDone: () => Promise.resolve(true),
  };
}

function detachRecovery(client: Client, table: QualifiedName, partition: QualifiedName): Recovery {
  const stateOfPartition = async (): Promise<"attached" | "pending" | "detached"> => {
    const { rows } = await client.query<{ pending: boolean }>(
      `SELECT inhdetachpending AS pending FROM pg_inherits
        WHERE inhparent = to_regclass($1)::oid AND inhrelid = to_regclass($2)::oid`,
      [quoted(client, table), quoted(client, partition)],
    );
    if (rows[0] === undefined) return "detached";
    return rows[0].pending ? "pending" : "attached";
  };
  return {
    prepare: async (resumed) => {
      const state = await stateOfPartition();
      if (state === "pending") {
        await client.query(
          `ALTER TABLE ${quoted(client, table)} DETACH PARTITION ${quoted(client, partition)} FINALIZE`,
        );
        return "done";
      }
      return resumed && state === "detached" ? "done" : "act";
    },
    cleanUp: () => Promise.resolve(),
    isDone: async () => (await stateOfPartition()) === "detached",
  };
}

async function hasEnumValue(client: Client, type: QualifiedName, value: string): Promise<boolean> {
  const { rowCount } = await client.query(
    "SELECT FROM pg_enum WHERE enumtypid = to_regtype($1)::oid AND enumlabel = $2",
    [quoted(client, type), value],
  );
  return rowCount === 1;
}

async function objectExists(
  client: Client,
  { what, name }: { what: "database" | "tablespace" | "subscription"; name: string },
): Promise<boolean> {
  const query = {
    database: "SELECT FROM pg_database WHERE datname = $1",
    tablespace: "SELECT FROM pg_tablespace WHERE spcname = $1",
    subscription:
      "SELECT FROM pg_subscription WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
  };
  const { rowCount } = await client.query(query[what], [name]);
  return rowCount === 1;
}
