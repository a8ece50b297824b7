import type { Quoting } from "./quoting";
import type { ColumnSync } from "../files/syncFile";
import type { SyncTable } from "./syncTable";

/** The expressions of a sync as functions of one column each: of the other side's columns, in order. */
export interface ExpressionFunctions {
  /** In the order of `new`. */
  readonly forward: readonly string[];
  /** In the order of `old`. */
  readonly reverse: readonly string[];
  readonly create: readonly string[];
}

/**
 * @param own names a function by its part, like `_forward_1`
 */
export function expressionFunctions(
  sync: ColumnSync,
  { columns }: SyncTable,
  own: (part: string) => string,
  { name: q }: Quoting,
): ExpressionFunctions {
  const typeOf = (column: string): string =>
    columns.find(({ name }) => name === column)?.type ?? "text";
  const create = (
    name: string,
    from: readonly string[],
    to: string,
    volatility: string,
    expression: string,
  ): string =>
    `CREATE FUNCTION ${name}(${from.map((column) => `${q(column)} ${typeOf(column)}`).join(", ")})
       RETURNS ${typeOf(to)} LANGUAGE sql ${volatility} PARALLEL SAFE RETURN (${expression}\n)`;
  const forward = sync.new.map((_, index) => own(`_forward_${index + 1}`));
  const reverse = sync.old.map((_, index) => own(`_reverse_${index + 1}`));
  return {
    forward,
    reverse,
    create: [
      ...sync.new.map((column, index) =>
        create(forward[index] ?? "", sync.old, column, "IMMUTABLE", sync.forward[column] ?? "NULL"),
      ),
      ...sync.old.map((column, index) =>
        create(reverse[index] ?? "", sync.new, column, "STABLE", sync.reverse[column] ?? "NULL"),
      ),
    ],
  };
}
