/** An API that the load drives; pages of both are open at the same time. */
export type Release = "1.0.0" | "2.0.0";

/** What the application answers to a write: ids and quantities. */
export type Receipt = Record<string, unknown>;

export interface Address {
  readonly city: string;
  readonly state: string;
  /** As release 1.0.0 spells it. */
  readonly location: string;
}

/** Units added to a row of inventory, or taken from it; the first that names a row creates it. */
export interface Delta {
  readonly id: number;
  readonly units: number;
  readonly name: string;
  readonly warehouseId: number;
}

/** What a write does to the database, exactly once. */
export interface Effect {
  readonly deltas: readonly Delta[];
  /** Where the warehouse of that id is from then on. */
  readonly address?: readonly [id: number, address: Address];
}

/** What a client knows of a write: the receipt, that it was refused (4xx), or nothing. */
export type Outcome =
  | { readonly kind: "acknowledged"; readonly receipt: Receipt }
  | { readonly kind: "refused" }
  | { readonly kind: "unknown" };

export interface Write {
  /** The Idempotency-Key. */
  readonly token: string;
  /** For people: "POST /api/v2/inventory". */
  readonly what: string;
  readonly effectOf: (receipt: Receipt) => Effect;
  outcome: Outcome;
}

/** Every write of a run, in the order in which they were sent. */
export interface History {
  /** In the name of every item and the city of every warehouse of the run. */
  readonly mark: string;
  readonly writes: readonly Write[];
}

/** The id that a receipt, or a part of it, holds. */
export function idIn(part: unknown): number {
  if (typeof part === "object" && part !== null && "id" in part && typeof part.id === "number") {
    return part.id;
  }
  throw new Error(`A receipt holds no id: ${JSON.stringify(part)}`);
}
