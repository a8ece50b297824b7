const count = new Intl.NumberFormat();
const money = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

/** 12000 as people here write it: "12,000". */
export function formatQuantity(quantity: number): string {
  return count.format(quantity);
}

/** US dollars as decimal text, or null where there is no price. */
export function formatPrice(unitPrice: string | null): string {
  return unitPrice === null ? "no price" : money.format(Number(unitPrice));
}

/** A day as "2024-11-15", which belongs to no time zone. */
export function formatDate(isoDate: string): string {
  return day.format(new Date(`${isoDate}T00:00:00Z`));
}

/** "1,200" or "1 200" typed by a person, as a number; undefined when it is not a whole number. */
export function parseQuantity(typed: string): number | undefined {
  const digits = /^\d{1,3}([,\s]\d{3})+$/.test(typed.trim()) ? typed.replace(/[,\s]/g, "") : typed;
  return /^\d{1,10}$/.test(digits.trim()) ? Number(digits) : undefined;
}

/** "$1,200.5" typed by a person, as decimal text; null when empty, undefined when it is no amount. */
export function parsePrice(typed: string): string | null | undefined {
  const bare = typed.trim().replace(/^\$\s*/, "");
  if (bare === "") return null;
  const digits = /^\d{1,3}(,\d{3})+(\.\d{1,2})?$/.test(bare) ? bare.replaceAll(",", "") : bare;
  return /^\d{1,10}(\.\d{1,2})?$/.test(digits) ? digits : undefined;
}
