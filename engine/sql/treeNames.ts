import type { Node, RangeVar, TypeName } from "libpg-query";

/** A name as a statement writes it, quotes already resolved; without schema it follows search_path. */
export interface QualifiedName {
  readonly schema?: string;
  readonly name: string;
}

/** The name in a parse tree's reference to a relation. */
export function nameOf(relation: RangeVar | undefined): QualifiedName {
  const name = relation?.relname ?? "";
  return relation?.schemaname === undefined ? { name } : { schema: relation.schemaname, name };
}

/** A name that the tree gives as a list of its parts. */
export function nameOfList(node: Node): QualifiedName {
  return nameOfParts(partsOf(node));
}

export function partsOf(node: Node): Node[] {
  return "List" in node ? (node.List.items ?? []) : [node];
}

export function nameOfParts(parts: readonly Node[]): QualifiedName {
  const names = textsOf(parts);
  const name = names.at(-1) ?? "";
  const schema = names.at(-2);
  return schema === undefined ? { name } : { schema, name };
}

/** The strings of a list. */
export function textsOf(parts: readonly Node[] = []): string[] {
  return parts.map((part) => ("String" in part ? (part.String.sval ?? "") : ""));
}

/** Every reference to a relation anywhere in a tree, common table expressions included. */
export function relationsIn(tree: unknown): RangeVar[] {
  return nodesIn(tree, (node): node is RangeVar => "relname" in node && "relpersistence" in node);
}

/** All parts of a tree that `is` accepts, outermost first. */
export function nodesIn<T extends object>(tree: unknown, is: (node: object) => node is T): T[] {
  if (typeof tree !== "object" || tree === null) return [];
  const below = Object.values(tree).flatMap((part) => nodesIn(part, is));
  return is(tree) ? [tree, ...below] : below;
}

/** A type's name as SQL, without its modifiers. */
export function sqlOfType({ names, arrayBounds = [] }: TypeName): string {
  const quotedNames = textsOf(names).map((name) => `"${name.replaceAll('"', '""')}"`);
  return `${quotedNames.join(".")}${arrayBounds.length > 0 ? "[]" : ""}`;
}
