import type { Dish } from "../../../backend/1.0.0/menu";
import type { Item, ItemPage } from "../../../backend/1.0.0/inventoryList";
import type { Warehouse } from "../../../backend/1.0.0/warehouses";
import type { FieldError } from "../../../service/1.0.0/problem";

export type { Dish, FieldError, Item, ItemPage, Warehouse };

/** The service said no, for a reason that can be told. */
export class Refused extends Error {
  constructor(
    detail: string,
    readonly errors: readonly FieldError[] = [],
  ) {
    super(detail);
  }
}

/** Nobody answered, or nobody could. */
export class Unreachable extends Error {}

/** Pauses before each further attempt, in milliseconds. */
const pauses = [300, 1_200];
const timeoutMs = 20_000;

export interface ListWish {
  q: string;
  warehouse: string;
  sort: string;
  limit: number;
  cursor?: string;
}

export async function fetchItems(wish: ListWish, signal: AbortSignal): Promise<ItemPage> {
  const query = new URLSearchParams({ sort: wish.sort, limit: String(wish.limit) });
  if (wish.q !== "") query.set("q", wish.q);
  if (wish.warehouse !== "") query.set("warehouse", wish.warehouse);
  if (wish.cursor !== undefined) query.set("cursor", wish.cursor);
  return (await request(`/api/inventory?${query.toString()}`, {}, signal)) as ItemPage;
}

export async function fetchWarehouses(): Promise<Warehouse[]> {
  const { warehouses } = (await request("/api/warehouses")) as { warehouses: Warehouse[] };
  return warehouses;
}

export async function fetchMenu(): Promise<Dish[]> {
  const { menu } = (await request("/api/menu")) as { menu: Dish[] };
  return menu;
}

/**
 * Sends one change.
 * @param token makes repeats of the same change harmless: the service applies it once
 */
export async function send(
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  token: string,
  body?: object,
): Promise<void> {
  await request(path, {
    method,
    headers: {
      "idempotency-key": token,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** A random UUID; crypto.randomUUID is not there on pages without TLS. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}

async function request(path: string, init: RequestInit = {}, signal?: AbortSignal) {
  for (let attempt = 0; ; attempt++) {
    const pause = pauses[attempt];
    try {
      return await requestOnce(path, init, signal);
    } catch (error) {
      if (!(error instanceof Unreachable) || pause === undefined) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    signal?.throwIfAborted();
  }
}

async function requestOnce(path: string, init: RequestInit, signal?: AbortSignal) {
  const signals = [AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])];
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.any(signals) });
    body = await response.json();
  } catch (error) {
    signal?.throwIfAborted();
    throw new Unreachable("Nobody answered.", { cause: error });
  }
  if (response.ok) return body;
  const { detail, errors } = body as { detail: string; errors?: FieldError[] };
  if (response.status >= 502 && response.status <= 504) throw new Unreachable(detail);
  throw new Refused(detail, errors);
}
