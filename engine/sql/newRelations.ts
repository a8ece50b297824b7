import type { Node } from "libpg-query";
import { nameOf, nameOfList, nodesIn, relationsIn, type QualifiedName } from "./treeNames";

/** Where temporary relations are; without a schema their names come before all others. */
const temporary = "pg_temp";

/** Of a relation that the catalog knows. */
interface Place {
  readonly schema: string;
  /** Its schema is the one that names without a schema are made in. */
  readonly isOfCurrentSchema: boolean;
}

/**
 * The relations that a run has made: until it ends nobody else uses them. One object goes through
 * all statements of a run, in order. What is in the catalog under another spelling than the one
 * it was made under counts as a relation of before.
 */
export class NewRelations {
  /** By name, the schemas; for a name without one, the settings that it was made under. */
  readonly #names = new Map<string, Set<string>>();
  /** Those that hold more rows than were written out as values. */
  readonly #filled = new Set<string>();
  readonly #partitioned = new Set<string>();
  /** What a DO block or a procedure fills is not known. */
  #areAllFilled = false;
  #settings = "";

  copy(): NewRelations {
    const copy = new NewRelations();
    copy.adopt(this);
    return copy;
  }

  /** Takes over what a copy has noted since. */
  adopt(copy: NewRelations): void {
    for (const [name, schemas] of copy.#names) this.#names.set(name, new Set(schemas));
    for (const name of copy.#filled) this.#filled.add(name);
    for (const name of copy.#partitioned) this.#partitioned.add(name);
    this.#areAllFilled ||= copy.#areAllFilled;
    this.#settings = copy.#settings;
  }

  /** As a later run will find them: how many rows they have then is not known, and not of this run. */
  unfilled(): NewRelations {
    const copy = new NewRelations();
    for (const [name, schemas] of this.#names) copy.#names.set(name, new Set(schemas));
    return copy;
  }

  /** The session is as it was: without the settings and the temporary tables of the file before. */
  beginFile(): void {
    this.#settings = "";
    for (const schemas of this.#names.values()) schemas.delete(temporary);
  }

  /** From here on names without a schema mean what they do under this setting, too. */
  under(setting: string): void {
    this.#settings += `${setting};`;
  }

  add({ schema, name }: QualifiedName): void {
    const schemas = this.#names.get(name) ?? new Set();
    this.#names.set(name, schemas.add(schema ?? this.#unnamed));
  }

  /** Whether it was made under this very spelling, so that the catalog need not be asked. */
  hasAsWritten({ schema, name }: QualifiedName): boolean {
    const schemas = this.#names.get(name);
    if (schemas === undefined) return false;
    if (schema !== undefined) return schemas.has(schema);
    return schemas.has(temporary) || schemas.has(this.#unnamed);
  }

  /** @param place undefined for what the catalog does not have, or was not asked for */
  has(name: QualifiedName, place: Place | undefined): boolean {
    if (this.hasAsWritten(name)) return true;
    const schemas = this.#names.get(name.name);
    if (schemas === undefined || schemas.size === 0) return false;
    if (place === undefined) return name.schema !== temporary;
    return this.hasPlace(name.name, place);
  }

  /** The same for one that was found by its OID. */
  hasPlace(name: string, { schema, isOfCurrentSchema }: Place): boolean {
    const schemas = this.#names.get(name);
    if (schemas === undefined) return false;
    return schemas.has(schema) || (isOfCurrentSchema && schemas.has(this.#unnamed));
  }

  isFilled(name: string): boolean {
    return this.#areAllFilled || this.#filled.has(name);
  }

  isPartitioned(name: string): boolean {
    return this.#partitioned.has(name);
  }

  /**
   * Notes what a statement makes.
   * @param exists whether the catalog has the name: CREATE TABLE IF NOT EXISTS may make nothing
   */
  note(tree: Node, exists: (name: QualifiedName) => boolean): void {
    if ("DoStmt" in tree || "CallStmt" in tree) this.#areAllFilled = true;
    for (const name of filledBy(tree)) this.#filled.add(name);
    if ("CreateStmt" in tree && tree.CreateStmt.partspec !== undefined) {
      this.#partitioned.add(nameOf(tree.CreateStmt.relation).name);
    }
    if ("RenameStmt" in tree && tree.RenameStmt.renameType === "OBJECT_TABLE") {
      const { relation, newname = "" } = tree.RenameStmt;
      const before = nameOf(relation);
      if (this.isFilled(before.name)) this.#filled.add(newname);
      if (this.hasAsWritten(before)) this.add({ ...before, name: newname });
    }
    if ("DropStmt" in tree && tree.DropStmt.removeType === "OBJECT_TABLE") {
      for (const { schema, name } of (tree.DropStmt.objects ?? []).map(nameOfList)) {
        const schemas = this.#names.get(name);
        const isOfTemporary = schema === undefined && schemas?.has(temporary) === true;
        schemas?.delete(schema ?? (isOfTemporary ? temporary : this.#unnamed));
      }
    }
    const made = madeBy(tree);
    if (made === undefined) return;
    if (made.unlessExists && exists(made.name) && !this.hasAsWritten(made.name)) return;
    this.add(made.name);
  }

  get #unnamed(): string {
    return `\0${this.#settings}`;
  }
}

/** Tables that a statement puts rows into that are not written out one by one. */
function filledBy(tree: Node): string[] {
  if ("CreateTableAsStmt" in tree) return [nameOf(tree.CreateTableAsStmt.into?.rel).name];
  if ("SelectStmt" in tree && tree.SelectStmt.intoClause !== undefined) {
    return [nameOf(tree.SelectStmt.intoClause.rel).name];
  }
  if ("CopyStmt" in tree) return [nameOf(tree.CopyStmt.relation).name];
  if ("MergeStmt" in tree) return [nameOf(tree.MergeStmt.relation).name];
  const inserts = nodesIn(tree, (node): node is { selectStmt: Node; relation: object } => {
    return "selectStmt" in node && "relation" in node;
  });
  return inserts.flatMap(({ selectStmt, relation }) => {
    const isValues = "SelectStmt" in selectStmt && selectStmt.SelectStmt.valuesLists !== undefined;
    return isValues ? [] : relationsIn(relation).map(({ relname = "" }) => relname);
  });
}

/** The relation that a statement makes, as a name. */
export function madeBy(tree: Node): { name: QualifiedName; unlessExists: boolean } | undefined {
  if ("CreateStmt" in tree) {
    const { relation, if_not_exists: unlessExists = false } = tree.CreateStmt;
    return { name: placeOf(relation), unlessExists };
  }
  if ("CreateTableAsStmt" in tree) {
    const { into, if_not_exists: unlessExists = false } = tree.CreateTableAsStmt;
    return { name: placeOf(into?.rel), unlessExists };
  }
  if ("CreateForeignTableStmt" in tree) {
    return { name: nameOf(tree.CreateForeignTableStmt.base?.relation), unlessExists: false };
  }
  if ("CreateSeqStmt" in tree) {
    const { sequence, if_not_exists: unlessExists = false } = tree.CreateSeqStmt;
    return { name: placeOf(sequence), unlessExists };
  }
  if ("ViewStmt" in tree) {
    return { name: placeOf(tree.ViewStmt.view), unlessExists: tree.ViewStmt.replace === true };
  }
  if ("SelectStmt" in tree && tree.SelectStmt.intoClause !== undefined) {
    return { name: placeOf(tree.SelectStmt.intoClause.rel), unlessExists: false };
  }
  return undefined;
}

function placeOf(relation: Parameters<typeof nameOf>[0]): QualifiedName {
  const name = nameOf(relation);
  return relation?.relpersistence === "t" ? { schema: temporary, name: name.name } : name;
}
