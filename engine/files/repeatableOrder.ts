import { UserError } from "../../userError";
import { definitionIn, type Definition, mayBeSame, shownDefinition } from "../sql/definition";
import { mentionsIn } from "../sql/mentions";
import type { Statement } from "../sql/parser";
import { excerpt } from "../sql/sourceText";
import { sqlOfType } from "../sql/treeNames";
import { statementsOf } from "./migrationStatements";
import type { Repeatable } from "./repeatable";

/** A repeatable file with what it makes, at its place in the order. */
export interface OrderedRepeatable {
  readonly file: Repeatable;
  readonly statements: readonly Statement[];
  /** What it makes, by the number of the statement. */
  readonly definitions: ReadonlyMap<number, Definition>;
  /** Paths of the files that it is to come after. */
  readonly after: ReadonlySet<string>;
}

/** A statement of one file that names what another one makes. */
interface Edge {
  readonly to: string;
  readonly names: Definition;
  readonly offset: number;
  /** false: it is a word of a text, and may be needed only when that runs. */
  readonly isNeeded: boolean;
}

interface Unordered extends Omit<OrderedRepeatable, "after"> {
  readonly edges: readonly Edge[];
}

/**
 * Orders files so that each comes after those that make what it names, and by name where nothing
 * decides. Files that checkStatements has passed.
 * @throws UserError where two make the same object, or some need each other in a circle
 */
export async function orderRepeatables(files: readonly Repeatable[]): Promise<OrderedRepeatable[]> {
  const made = await Promise.all(files.map(withDefinitions));
  ensureMadeOnce(made);
  const unordered = await Promise.all(made.map((one) => withEdges(one, made)));
  const ordered: OrderedRepeatable[] = [];
  const isPlaced = (path: string): boolean => ordered.some(({ file }) => file.path === path);
  for (
    let left = unordered;
    left.length > 0;
    left = left.filter((one) => !isPlaced(one.file.path))
  ) {
    const isFree = (edges: readonly Edge[]): boolean => edges.every(({ to }) => isPlaced(to));
    const next =
      left.find(({ edges }) => isFree(edges)) ??
      left.find(({ edges }) => isFree(edges.filter(({ isNeeded }) => isNeeded)));
    if (next === undefined) throw circleIn(left);
    const { edges, ...rest } = next;
    const after = edges.map(({ to }) => to).filter(isPlaced);
    ordered.push({ ...rest, after: new Set(after) });
  }
  return ordered;
}

async function withDefinitions(file: Repeatable): Promise<Omit<Unordered, "edges">> {
  return { file, statements: await statementsOf(file), definitions: await definitionsOf(file) };
}

/** What a file makes, by the number of the statement. */
export async function definitionsOf(file: Repeatable): Promise<ReadonlyMap<number, Definition>> {
  return new Map(
    (await statementsOf(file)).flatMap(({ number, tree }) => {
      const definition = definitionIn(tree);
      return definition === undefined ? [] : [[number, definition] as const];
    }),
  );
}

function ensureMadeOnce(made: readonly Omit<Unordered, "edges">[]): void {
  const makers = new Map<string, string>();
  for (const { file, definitions } of made) {
    for (const definition of definitions.values()) {
      const { kind, name, table, argumentTypes } = definition;
      const types = argumentTypes.map(sqlOfType);
      const key = JSON.stringify([kind, name.schema, name.name, table?.schema, table?.name, types]);
      const before = makers.get(key) ?? file.shownPath;
      makers.set(key, before);
      if (before === file.shownPath) continue;
      throw new UserError(
        `Two repeatable files make ${shownDefinition(definition)}; nothing was run.`,
        [before, file.shownPath],
        "keep one of the two definitions",
      );
    }
  }
}

async function withEdges(
  one: Omit<Unordered, "edges">,
  all: readonly Omit<Unordered, "edges">[],
): Promise<Unordered> {
  const others = all
    .filter(({ file }) => file !== one.file)
    .flatMap(({ file, definitions }) =>
      [...definitions.values()].map((names) => ({ to: file.path, names })),
    );
  const edges: Edge[] = [];
  for (const { tree, offset } of one.statements) {
    const { relations, routines, words } = await mentionsIn(tree);
    for (const { to, names } of others) {
      if (names.kind === "trigger") continue;
      const mentioned = names.kind === "view" ? relations : routines;
      const isNeeded = mentioned.some((name) => mayBeSame(name, names.name));
      if (isNeeded || words.has(names.name.name)) edges.push({ to, names, offset, isNeeded });
    }
  }
  return { ...one, edges };
}

/** Follows what is needed until a file comes again. */
function circleIn(left: readonly Unordered[]): UserError {
  const steps: { from: Unordered; edge: Edge }[] = [];
  let from = left[0];
  while (from !== undefined && !steps.some((step) => step.from === from)) {
    const edge = from.edges.find(
      ({ to, isNeeded }) => isNeeded && left.some(({ file }) => file.path === to),
    );
    if (edge === undefined) break;
    steps.push({ from, edge });
    from = left.find(({ file }) => file.path === edge.to);
  }
  const circle = steps.slice(steps.findIndex((step) => step.from === from));
  return new UserError(
    "Repeatable files need each other in a circle; nothing was run.",
    circle.flatMap(({ from: { file }, edge }) => [
      `${file.path} names ${shownDefinition(edge.names)} of ${edge.to}:`,
      ...excerpt(file, edge.offset).map((line) => `  ${line}`),
    ]),
    "put them into one file in the order they need, or write a function in PL/pgSQL, which looks names up when it runs",
  );
}
