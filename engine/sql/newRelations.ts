import type { Node } from "libpg-query";
import { nameOf, type QualifiedName } from "./treeNames";

/**
 * The relations that a run has made, by name: until it ends nobody else uses them. One object goes
 * through all statements of a run, in order.
 */
export class NewRelations {
  readonly #names = new Map<string, Set<string>>();

  copy(): NewRelations {
    const copy = new NewRelations();
    for (const [name, schemas] of this.#names) copy.#names.set(name, new Set(schemas));
    return copy;
  }

  /** Takes over what a copy has noted since. */
  adopt(copy: NewRelations): void {
    for (const [name, schemas] of copy.#names) this.#names.set(name, schemas);
  }

  add({ schema, name }: QualifiedName): void {
    const schemas = this.#names.get(name) ?? new Set();
    this.#names.set(name, schemas.add(schema ?? ""));
  }

  /** Without a schema on either side the names decide, as one search_path holds for both. */
  has({ schema, name }: QualifiedName, facts?: { readonly schema: string }): boolean {
    const schemas = this.#names.get(name);
    if (schemas === undefined) return false;
    const asked = schema ?? facts?.schema;
    return asked === undefined || schemas.has(asked) || schemas.has("");
  }

  /**
   * Notes what a statement makes.
   * @param exists whether the catalog has the name: CREATE TABLE IF NOT EXISTS may make nothing
   */
  note(tree: Node, exists: (name: QualifiedName) => boolean): void {
    if ("RenameStmt" in tree && tree.RenameStmt.renameType === "OBJECT_TABLE") {
      const { relation, newname = "" } = tree.RenameStmt;
      if (this.has(nameOf(relation))) this.add({ ...nameOf(relation), name: newname });
    }
    const made = madeBy(tree);
    if (made === undefined) return;
    if (made.unlessExists && exists(made.name) && !this.has(made.name)) return;
    this.add(made.name);
  }
}

/** The relation that a statement makes, as a name. */
export function madeBy(tree: Node): { name: QualifiedName; unlessExists: boolean } | undefined {
  if ("CreateStmt" in tree) {
    const { relation, if_not_exists: unlessExists = false } = tree.CreateStmt;
    return { name: nameOf(relation), unlessExists };
  }
  if ("CreateTableAsStmt" in tree) {
    const { into, if_not_exists: unlessExists = false } = tree.CreateTableAsStmt;
    return { name: nameOf(into?.rel), unlessExists };
  }
  if ("CreateForeignTableStmt" in tree) {
    return { name: nameOf(tree.CreateForeignTableStmt.base?.relation), unlessExists: false };
  }
  if ("CreateSeqStmt" in tree) {
    const { sequence, if_not_exists: unlessExists = false } = tree.CreateSeqStmt;
    return { name: nameOf(sequence), unlessExists };
  }
  if ("ViewStmt" in tree) {
    return { name: nameOf(tree.ViewStmt.view), unlessExists: tree.ViewStmt.replace === true };
  }
  if ("SelectStmt" in tree && tree.SelectStmt.intoClause !== undefined) {
    return { name: nameOf(tree.SelectStmt.intoClause.rel), unlessExists: false };
  }
  return undefined;
}
