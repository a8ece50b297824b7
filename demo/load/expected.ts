import type { Address, History, Receipt } from "./history";

/** What the database must hold when every write is in it exactly once. */
export interface Expected {
  readonly rows: ReadonlyMap<number, ExpectedRow>;
  readonly addresses: ReadonlyMap<number, { readonly address: Address; readonly token: string }>;
}

export interface ExpectedRow {
  units: number;
  readonly name: string;
  readonly warehouseId: number;
  /** The writes that made it so, the one that created it first. */
  readonly changes: { readonly token: string; readonly units: number }[];
}

/**
 * Adds up what the writes did. A write that was not acknowledged counts when the database has a
 * receipt of it, as that receipt says.
 */
export function expectedOf(history: History, receipts: ReadonlyMap<string, Receipt>): Expected {
  const rows = new Map<number, ExpectedRow>();
  const addresses = new Map<number, { address: Address; token: string }>();
  for (const { token, outcome, effectOf } of history.writes) {
    const receipt = outcome.kind === "acknowledged" ? outcome.receipt : receipts.get(token);
    if (receipt === undefined) continue;
    const { deltas, address } = effectOf(receipt);
    for (const { id, units, name, warehouseId } of deltas) {
      const row = rows.get(id) ?? { units: 0, name, warehouseId, changes: [] };
      row.units += units;
      row.changes.push({ token, units });
      rows.set(id, row);
    }
    if (address !== undefined) addresses.set(address[0], { address: address[1], token });
  }
  return { rows, addresses };
}
