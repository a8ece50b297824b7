import type { ColumnDef, Constraint, Node, TypeName } from "libpg-query";
import { textsOf } from "../sql/treeNames";
import type { ColumnFacts, IndexFacts } from "./relationFacts";
import type { Vocabulary } from "./vocabulary";

/** The constraints written at a column. */
export function constraintsOf(column: ColumnDef): Constraint[] {
  return (column.constraints ?? []).flatMap((node) =>
    "Constraint" in node ? [node.Constraint] : [],
  );
}

const serials = new Set(["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"]);

/** Why a new column makes PostgreSQL write the table anew; undefined when it does not. */
export function rewriteByNewColumn(column: ColumnDef, vocabulary: Vocabulary): string | undefined {
  const name = column.colname ?? "";
  if (serials.has(textsOf(column.typeName?.names).at(-1) ?? "")) {
    return `column ${name} gets a number of its own in every row`;
  }
  for (const { contype, raw_expr: expression, generated_kind: kind } of constraintsOf(column)) {
    if (contype === "CONSTR_IDENTITY")
      return `column ${name} gets a number of its own in every row`;
    if (contype === "CONSTR_GENERATED" && kind !== "v") {
      return `column ${name} is computed for every row`;
    }
    if (contype === "CONSTR_DEFAULT" && expression && vocabulary.isVolatile(expression)) {
      return `column ${name} has a volatile default, another value for every row`;
    }
  }
  if (vocabulary.type(column.typeName)?.constrained === true) {
    return `column ${name} is of a domain with constraints`;
  }
  return undefined;
}

/**
 * Whether values of a column's old type have to be converted: PostgreSQL's own rules
 * (ATColumnChangeRequiresRewrite, and the support functions of length coercions).
 */
export function isTypeChangeRewrite(
  { name, type, modifier }: ColumnFacts,
  { typeName, raw_default: using }: ColumnDef,
  vocabulary: Vocabulary,
): boolean {
  const wanted = vocabulary.type(typeName);
  if (wanted === undefined || typeName === undefined) return true;
  const from = { type, modifier };
  const to = { type: wanted.oid, modifier: modifierOf(typeName) };
  if (wanted.constrained && wanted.oid !== type) return true;
  if (using === undefined || isColumn(using, name)) return converts(from, to, vocabulary);
  if (!("TypeCast" in using) || !using.TypeCast.arg || !isColumn(using.TypeCast.arg, name)) {
    return true;
  }
  const cast = vocabulary.type(using.TypeCast.typeName);
  if (cast === undefined || cast.constrained || using.TypeCast.typeName === undefined) return true;
  const middle = { type: cast.oid, modifier: modifierOf(using.TypeCast.typeName) };
  return converts(from, middle, vocabulary) || converts(middle, to, vocabulary);
}

/**
 * The indexes that PostgreSQL builds again for a type change that leaves the rows as they are: those
 * with expressions or a condition, and all of the column when they sort by other rules
 * (CheckIndexCompatible in its indexcmds.c).
 */
export function indexesBuiltAgain(
  { name, type, isCollated }: ColumnFacts,
  { typeName, collClause }: ColumnDef,
  indexes: readonly IndexFacts[],
  vocabulary: Vocabulary,
): IndexFacts[] {
  const from = vocabulary.base(type);
  const to = vocabulary.base(vocabulary.type(typeName)?.oid ?? "");
  const isAlike = from === to || alike.some((types) => types.includes(from) && types.includes(to));
  const sortsAnew = !isAlike || isCollated || collClause !== undefined;
  return indexes.filter(
    ({ columns, isPlain }) => columns.includes(name) && (!isPlain || sortsAnew),
  );
}

/** Types with one default operator class: text and varchar, inet and cidr. */
const alike: readonly (readonly string[])[] = [
  ["25", "1043"],
  ["869", "650"],
];

interface TypeWithModifier {
  readonly type: string;
  readonly modifier: number;
}

const builtIn = {
  varchar: "1043",
  numeric: "1700",
  varbit: "1562",
  timestamp: "1114",
  timestamptz: "1184",
  time: "1083",
  timetz: "1266",
} as const;
const times: readonly string[] = [
  builtIn.timestamp,
  builtIn.timestamptz,
  builtIn.time,
  builtIn.timetz,
];

function converts(from: TypeWithModifier, to: TypeWithModifier, vocabulary: Vocabulary): boolean {
  const source = vocabulary.base(from.type);
  const target = vocabulary.base(to.type);
  if (source === target) return !holds(source, from.modifier, to.modifier);
  if (source === builtIn.timestamp && target === builtIn.timestamptz) return !vocabulary.isUtc;
  if (source === builtIn.timestamptz && target === builtIn.timestamp) return !vocabulary.isUtc;
  return to.modifier !== -1 || !vocabulary.isBinaryCoercible(source, target);
}

/** Whether every value of a type under one modifier is a value under the other. */
function holds(type: string, from: number, to: number): boolean {
  if (from === to || to === -1) return true;
  if (times.includes(type)) return to === 6 || (from !== -1 && to >= from);
  if (from === -1) return false;
  if (type === builtIn.varchar || type === builtIn.varbit) return to >= from;
  if (type === builtIn.numeric) {
    const scaleOf = (modifier: number): number => (modifier - 4) & 0x7ff;
    const precisionOf = (modifier: number): number => ((modifier - 4) >> 16) & 0xffff;
    return scaleOf(from) === scaleOf(to) && precisionOf(to) >= precisionOf(from);
  }
  return false;
}

/** `pg_attribute.atttypmod` for a type as written; -1 for none. */
function modifierOf({ names, typmods = [] }: TypeName): number {
  const numbers = typmods.map((node) => {
    const constant = "A_Const" in node ? (node.A_Const as { ival?: { ival?: number } }) : {};
    return constant.ival?.ival ?? 0;
  });
  const [first, second = 0] = numbers;
  const name = textsOf(names).at(-1);
  if (first === undefined) return -1;
  if (name === "varchar" || name === "bpchar") return first + 4;
  if (name === "numeric") return ((first << 16) | (second & 0x7ff)) + 4;
  return first;
}

function isColumn(node: Node, name: string): boolean {
  return "ColumnRef" in node && textsOf(node.ColumnRef.fields).at(-1) === name;
}
