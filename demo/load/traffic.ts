import { randomBytes, randomUUID } from "node:crypto";
import { type Api, apis } from "./apis";
import type { Request } from "./call";
import { type Address, type Effect, type History, idIn } from "./history";
import type { Outcome, Receipt, Release, Write } from "./history";

/** A request to be sent now, and the write behind it if it is one. */
export interface Operation {
  readonly request: Request;
  readonly write?: Write;
  /** To be called when the request has ended and the write's outcome is set. */
  readonly settle: () => void;
}

interface Warehouse {
  readonly id: number;
  address: Address;
  /** Requests under way that call it by its name, which a rename would make wrong. */
  named: number;
  isBeingRenamed: boolean;
}

interface Row {
  readonly id: number;
  readonly name: string;
  readonly warehouse: Warehouse;
  /** Each write is of another size, so that it can be told which one is missing. */
  writes: number;
}

/** What people do, over and over: mostly they look. */
const mix = (
  "newest change stockOf move newest add search change warehouses newest " +
  "change stockOf add newest search move menu change newest rename"
).split(" ");

const mostWarehouses = 6;
const firstItems = 12;
/** A row is left alone after this many writes, long before its stock runs out. */
const mostWrites = 20;
const firstQuantity = 500;
const states = ["TX", "GA", "MO", "TN"];

/** Decides what is asked next, and remembers every write. */
export class Traffic {
  readonly #mark = randomBytes(4).toString("hex");
  readonly #writes: Write[] = [];
  readonly #warehouses: Warehouse[] = [];
  /** Rows that were added, not moved to: they have stock enough for what is taken. */
  readonly #rows: Row[] = [];
  #warehousesAsked = 0;
  #turn = 0;

  get history(): History {
    return { mark: this.#mark, writes: this.#writes };
  }

  /** The next request, to the API of that release. */
  next(release: Release): Operation {
    const api = apis[release];
    const turn = this.#turn++;
    const kind = mix[turn % mix.length];
    if (this.#warehousesAsked < mostWarehouses) return this.#addWarehouse(api, turn);
    const free = this.#warehouses.filter(({ isBeingRenamed }) => !isBeingRenamed);
    const warehouse = pick(api.usesNames ? free : this.#warehouses, turn);
    const row = pick(this.#rows, turn);
    if (warehouse === undefined) return read(api.newest());
    if (kind === "add" || this.#rows.length < firstItems) return this.#add(api, turn, warehouse);
    if (kind === "change" && row !== undefined) return this.#change(api, row);
    if (kind === "move" && row !== undefined && row.warehouse !== warehouse) {
      return this.#move(api, row, warehouse);
    }
    if (kind === "rename") {
      const quiet = free.filter(({ named }) => named === 0);
      const renamed = pick(quiet, turn);
      if (renamed !== undefined) return this.#rename(api, turn, renamed);
    }
    if (kind === "stockOf") return read(api.stockOf(warehouse));
    if (kind === "search") return read(api.search());
    if (kind === "warehouses") return read(api.warehouses());
    return read(kind === "menu" ? api.menu() : api.newest());
  }

  #addWarehouse(api: Api, turn: number): Operation {
    this.#warehousesAsked++;
    const address = api.address(this.#cityOf(turn), stateOf(turn));
    const explain: Explain = (receipt) => {
      const id = idIn(receipt);
      return {
        effect: { deltas: [], address: [id, address] },
        learn: () => {
          this.#warehouses.push({ id, address, named: 0, isBeingRenamed: false });
        },
      };
    };
    return this.#write(api.addWarehouse(address), explain, (outcome) => {
      if (outcome !== "acknowledged") this.#warehousesAsked--;
    });
  }

  #add(api: Api, turn: number, warehouse: Warehouse): Operation {
    const name = `Brisket flat, lot ${this.#mark}-${turn}`;
    const quantity = firstQuantity + (turn % 100);
    const request = api.addItem(name, quantity, warehouse);
    return this.#naming(api, warehouse, request, (receipt) => {
      const id = idIn(receipt);
      return {
        effect: { deltas: [{ id, units: quantity, name, warehouseId: warehouse.id }] },
        learn: () => {
          this.#rows.push({ id, name, warehouse, writes: 0 });
        },
      };
    });
  }

  #change(api: Api, row: Row): Operation {
    const units = this.#sizeOf(row) * (row.writes % 2 === 0 ? 1 : -1);
    const { id, name } = row;
    const delta = { id, units, name, warehouseId: row.warehouse.id };
    return this.#write(api.changeQuantity(id, units), () => ({ effect: { deltas: [delta] } }));
  }

  #move(api: Api, row: Row, to: Warehouse): Operation {
    const units = this.#sizeOf(row);
    const { id, name, warehouse } = row;
    return this.#naming(api, to, api.moveItem(id, units, to), (receipt) => {
      const target = { id: idIn(receipt.to), units, name, warehouseId: to.id };
      const source = { id, units: -units, name, warehouseId: warehouse.id };
      return { effect: { deltas: [source, target] } };
    });
  }

  #rename(api: Api, turn: number, warehouse: Warehouse): Operation {
    const address = api.address(this.#cityOf(turn), stateOf(turn));
    const { id } = warehouse;
    warehouse.isBeingRenamed = true;
    const explain: Explain = () => ({
      effect: { deltas: [], address: [id, address] },
      learn: () => {
        warehouse.address = address;
      },
    });
    return this.#write(api.renameWarehouse(id, address), explain, (outcome) => {
      // Not called by a name again when nobody knows which it has.
      warehouse.isBeingRenamed = outcome === "unknown";
    });
  }

  /** A write that calls a warehouse by its name where the API does. */
  #naming(api: Api, warehouse: Warehouse, request: Request, explain: Explain): Operation {
    if (api.usesNames) warehouse.named++;
    return this.#write(request, explain, () => {
      if (api.usesNames) warehouse.named--;
    });
  }

  #write(
    asked: Request,
    explain: Explain,
    ended: (outcome: Outcome["kind"]) => void = () => undefined,
  ): Operation {
    const token = randomUUID();
    const write: Write = {
      token,
      what: `${asked.method} ${asked.path}`,
      effectOf: (receipt) => explain(receipt).effect,
      outcome: { kind: "unknown" },
    };
    this.#writes.push(write);
    return {
      request: { ...asked, token },
      write,
      settle: () => {
        const { outcome } = write;
        if (outcome.kind === "acknowledged") explain(outcome.receipt).learn?.();
        ended(outcome.kind);
      },
    };
  }

  #sizeOf(row: Row): number {
    row.writes++;
    if (row.writes >= mostWrites) this.#rows.splice(this.#rows.indexOf(row), 1);
    return row.writes;
  }

  #cityOf(turn: number): string {
    return `Smokehouse ${this.#mark}-${turn}`;
  }
}

/** What a receipt says that a write has done, and what the traffic learns from it. */
type Explain = (receipt: Receipt) => { effect: Effect; learn?: () => void };

function read(request: Request): Operation {
  return { request, settle: () => undefined };
}

/** Another one each turn, spread over all of them. */
function pick<T>(from: readonly T[], turn: number): T | undefined {
  return from[(turn * 7) % from.length];
}

function stateOf(turn: number): string {
  return states[turn % states.length] ?? "TX";
}
