import type { Client } from "pg";
import { readReceipts, readRows, readWarehouses, type Row } from "./databaseState";
import { type Expected, expectedOf } from "./expected";
import type { History, Receipt } from "./history";

/** What the database says of the writes of a run. */
export interface HistoryCheck {
  readonly writes: number;
  readonly acknowledged: number;
  /** Acknowledged writes that are not there. */
  readonly lostWrites: number;
  /** What is there more than once, or was refused and is there, or that nobody wrote. */
  readonly doubledWrites: number;
  /** What was found, for people; the first of each. */
  readonly findings: readonly string[];
}

const mostFindings = 20;

/**
 * Proves that every acknowledged write of a run is in the database exactly once: by its receipt, and
 * by what it did to the row it changed. Works on the schema of either release.
 * @param connect gives a fresh connected session that may read everything; it is ended
 */
export async function checkHistory(
  history: History,
  connect: () => Promise<Client>,
): Promise<HistoryCheck> {
  const client = await connect();
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const receipts = await readReceipts(client, history);
    const expected = expectedOf(history, receipts);
    const faults = [
      ...faultsOfReceipts(history, receipts),
      ...faultsOfRows(expected, await readRows(client, history)),
      ...faultsOfAddresses(expected, await readWarehouses(client, history)),
    ];
    const count = (kind: Fault["kind"]) =>
      new Set(faults.filter((fault) => fault.kind === kind).map(({ write }) => write)).size;
    return {
      writes: history.writes.length,
      acknowledged: history.writes.filter(({ outcome }) => outcome.kind === "acknowledged").length,
      lostWrites: count("lost"),
      doubledWrites: count("doubled"),
      findings: faults.slice(0, mostFindings).map(({ text }) => text),
    };
  } finally {
    await client.end();
  }
}

interface Fault {
  readonly kind: "lost" | "doubled";
  /** The write's token; what was found instead, where no write explains it. */
  readonly write: string;
  readonly text: string;
}

function faultsOfReceipts(history: History, receipts: ReadonlyMap<string, Receipt>): Fault[] {
  return history.writes.flatMap(({ token, what, outcome }): Fault[] => {
    const receipt = receipts.get(token);
    if (outcome.kind === "refused" && receipt !== undefined) {
      return [{ kind: "doubled", write: token, text: `${what} was refused, and is there.` }];
    }
    if (outcome.kind !== "acknowledged") return [];
    if (receipt === undefined) {
      return [{ kind: "lost", write: token, text: `${what} was acknowledged, and is not there.` }];
    }
    if (JSON.stringify(receipt) === JSON.stringify(outcome.receipt)) return [];
    const text = `${what} was answered ${JSON.stringify(outcome.receipt)}, and did ${JSON.stringify(receipt)}.`;
    return [{ kind: "lost", write: token, text }];
  });
}

function faultsOfRows(expected: Expected, rows: ReadonlyMap<number, Row>): Fault[] {
  const faults: Fault[] = [];
  for (const [id, { units, name, warehouseId, changes }] of expected.rows) {
    const row = rows.get(id);
    const [created] = changes;
    if (created === undefined) continue;
    if (row === undefined) {
      faults.push({ kind: "lost", write: created.token, text: `"${name}" (${id}) is not there.` });
      continue;
    }
    if (row.name !== name || !isIn(row, warehouseId, expected)) {
      const text = `"${name}" (${id}) is ${JSON.stringify(row)}: another item, or another place.`;
      faults.push({ kind: "lost", write: created.token, text });
    }
    const difference = Number(row.quantity) - units;
    if (difference === 0) continue;
    const text = `"${name}" (${id}): expected ${units}, found ${String(row.quantity)}.`;
    const doubled = changes.find((change) => change.units === difference);
    const lost = changes.find((change) => change.units === -difference) ?? created;
    faults.push(
      doubled === undefined
        ? { kind: "lost", write: lost.token, text }
        : { kind: "doubled", write: doubled.token, text },
    );
  }
  for (const [id, row] of rows) {
    if (expected.rows.has(id)) continue;
    const text = `"${String(row.name)}" (${id}) is there, and nobody was told so.`;
    faults.push({ kind: "doubled", write: `row ${id}`, text });
  }
  return faults;
}

/** By every column that names the warehouse now: the id, the location, or both. */
function isIn(row: Row, warehouseId: number, { addresses }: Expected): boolean {
  const location = addresses.get(warehouseId)?.address.location;
  const byId = !("warehouse_id" in row) || row.warehouse_id === warehouseId;
  return byId && (!("warehouse_name" in row) || row.warehouse_name === location);
}

function faultsOfAddresses(expected: Expected, warehouses: ReadonlyMap<number, Row>): Fault[] {
  const faults: Fault[] = [];
  for (const [id, { address, token }] of expected.addresses) {
    const row = warehouses.get(id);
    const isRight = Object.entries(address).every(
      ([column, value]) => row !== undefined && (!(column in row) || row[column] === value),
    );
    if (isRight) continue;
    const text = `Warehouse ${id}: expected ${JSON.stringify(address)}, found ${JSON.stringify(row)}.`;
    faults.push({ kind: "lost", write: token, text });
  }
  for (const id of warehouses.keys()) {
    if (expected.addresses.has(id)) continue;
    const text = `Warehouse ${id} is there, and nobody was told so.`;
    faults.push({ kind: "doubled", write: `warehouse ${id}`, text });
  }
  return faults;
}
