import { isArchived } from "../sql/archivedColumn";
import type { Loss, TouchedRelation, Work, WorkKind } from "./classification";
import { type LockMode, strongerOf } from "./lockMode";
import type { NewRelations } from "../sql/newRelations";
import type { Catalog, RelationFacts } from "./relationFacts";
import type { QualifiedName } from "../sql/treeNames";
import type { Vocabulary } from "./vocabulary";

/** A relation that a statement names: in the catalog, or made by an earlier statement of this run. */
export interface Target {
  readonly name: string;
  /** As the statement writes it. */
  readonly written: QualifiedName;
  readonly facts: RelationFacts | undefined;
  readonly isNew: boolean;
  /** It is new, and this run has put rows into it that nobody has counted. */
  readonly isFilled: boolean;
}

/** Gathers what one statement does while its tree is walked. */
export class Findings {
  readonly #relations = new Map<string, TouchedRelation>();
  readonly work: Work[] = [];
  /** What others may use by a name that the statement takes away. */
  readonly takenAway: Loss[] = [];
  unknown: string | undefined;
  /** How long it takes does not follow from the sizes of tables. */
  isOpenEnded = false;
  /** Which of an ALTER TABLE's commands is looked at. */
  command: number | undefined;

  constructor(
    readonly catalog: Catalog,
    readonly vocabulary: Vocabulary,
    readonly newRelations: NewRelations,
  ) {}

  get relations(): TouchedRelation[] {
    return [...this.#relations.values()];
  }

  /** undefined for a name that nothing has: a common table expression, or a mistake. */
  target(name: QualifiedName): Target | undefined {
    const facts = this.catalog.named(name);
    const isNew = this.newRelations.has(name, facts);
    if (facts === undefined && !isNew) return undefined;
    const isFilled = isNew && this.newRelations.isFilled(name.name);
    return { name: shownName(name, facts), written: name, facts, isNew, isFilled };
  }

  numbered(oid: string | null): Target | undefined {
    const facts = this.catalog.numbered(oid);
    if (facts === undefined) return undefined;
    const { schema, name } = facts;
    const isNew = this.newRelations.hasPlace(name, facts);
    const isFilled = isNew && this.newRelations.isFilled(name);
    return { name: `${schema}.${name}`, written: { schema, name }, facts, isNew, isFilled };
  }

  /** @param column without one, the table itself */
  takesAway(target: Target | undefined, how: Loss["how"], column?: string): void {
    const { facts, isNew } = target ?? {};
    if (target === undefined || facts === undefined || isNew === true) return;
    if (![target, ...this.childrenOf(target)].some((one) => (one.facts?.bytes ?? 0) > 0)) return;
    const { name, schema } = facts;
    if (column === undefined) {
      // The rows of a partition are read through their parent.
      if (!"rp".includes(facts.kind) || facts.parents.length > 0) return;
      this.takenAway.push({ what: `table ${target.name}`, how, table: { schema, name } });
    } else if (facts.columns.some((one) => one.name === column) && !isArchived(column)) {
      this.takenAway.push({ what: `column ${column} of ${target.name}`, how });
    }
  }

  /** What a plan cannot foretell, nor how long it takes. */
  leavesOpen(why: string): void {
    this.unknown = why;
    this.isOpenEnded = true;
  }

  /** Partitions and heirs, at any depth. */
  childrenOf({ facts }: Target): Target[] {
    return (facts?.children ?? []).flatMap((oid) => this.numbered(oid) ?? []);
  }

  /** The table that it is a partition of, or inherits from. */
  parentsOf({ facts }: Target): Target[] {
    return (facts?.parents ?? []).flatMap((oid) => this.numbered(oid) ?? []);
  }

  lock(target: Target | undefined, mode: LockMode, withChildren = false): void {
    if (target === undefined) return;
    const { name, written, facts, isNew } = target;
    const found = this.#relations.get(name);
    this.#relations.set(name, {
      name,
      schema: facts?.schema ?? written.schema ?? "",
      relation: facts?.name ?? written.name,
      sql: facts?.sql ?? name,
      oid: facts?.oid ?? null,
      kind: facts?.kind ?? (this.newRelations.isPartitioned(written.name) ? "p" : "r"),
      mode: found === undefined ? mode : strongerOf(found.mode, mode),
      withChildren: withChildren || found?.withChildren === true,
      rows: facts?.rows ?? 0,
      bytes: facts?.bytes ?? 0,
      isNew,
    });
  }

  /** The same lock on a table and on all its partitions and heirs. */
  lockTree(target: Target | undefined, mode: LockMode): void {
    if (target === undefined) return;
    this.lock(target, mode, true);
    for (const child of this.childrenOf(target)) this.lock(child, mode);
  }

  /** Work on a table's rows and on those of its partitions and heirs. */
  does(kind: WorkKind, target: Target | undefined, why: string, more: Partial<Work> = {}): void {
    if (target === undefined) return;
    if (target.isFilled) this.isOpenEnded = true;
    const all = [target, ...this.childrenOf(target)];
    const sum = (of: (facts: RelationFacts) => number): number =>
      all.reduce((total, { facts }) => total + (facts === undefined ? 0 : of(facts)), 0);
    this.work.push({
      kind,
      relation: target.name,
      tables: all.filter(({ facts }) => facts?.kind !== "p").map(({ name }) => name),
      rows: sum(({ rows }) => rows),
      bytes: sum(({ bytes }) => bytes),
      why,
      isNew: target.isNew,
      isFilled: target.isFilled,
      ...(this.command === undefined ? {} : { command: this.command }),
      ...more,
    });
  }
}

function shownName({ schema, name }: QualifiedName, facts: RelationFacts | undefined): string {
  if (facts !== undefined) return `${facts.schema}.${facts.name}`;
  return schema === undefined ? name : `${schema}.${name}`;
}
