/** An item as the page shows it, whatever release's API it came from. */
export interface ShownItem {
  id: number;
  name: string;
  quantity: number;
  /** US dollars as decimal text. */
  unitPrice: string | null;
  /** The warehouse as people call it. */
  warehouse: string;
  /** What stands for the warehouse in a select of warehouses. */
  warehouseKey: string;
  /** A day as "2024-11-15". */
  dateAdded: string;
}
