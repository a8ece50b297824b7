/** Where a warehouse is; no city where nobody could tell one from what was written. */
export interface Address {
  city: string | null;
  /** Two capitals, or null: some towns are written without a state. */
  state: string | null;
}

/** An address as it is said and written: "Boston, GA", "Austin". */
export function formatAddress({ city, state }: Address): string {
  return [city, state].filter((part) => part !== null).join(", ");
}
