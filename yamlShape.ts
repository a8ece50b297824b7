import { type Document, parseDocument, visit } from "yaml";
import type * as z from "zod";

/** A mistake in a YAML text and where it is, as an offset in UTF-16 units. */
export interface YamlMistake {
  readonly message: string;
  readonly offset: number;
}

/** What a text says where it has its shape, otherwise every mistake. */
export type YamlReading<Value> =
  | { readonly value: Value; readonly mistakes: readonly never[] }
  | { readonly value?: undefined; readonly mistakes: readonly YamlMistake[] };

/**
 * Reads a text of one YAML document.
 * @param shapeOf chooses the shape where a key of the content does
 */
export function readYaml<Value>(
  text: string,
  shapeOf: (content: unknown) => z.ZodType<Value>,
): YamlReading<Value> {
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) {
    return {
      mistakes: document.errors.map(({ message, pos }) => ({ message, offset: pos[0] })),
    };
  }
  let content: unknown;
  try {
    content = document.toJS();
  } catch (error) {
    // Only following the aliases shows one without an anchor, or so many that yaml stops.
    if (!(error instanceof ReferenceError)) throw error;
    return { mistakes: [{ message: error.message, offset: offsetOfUnresolvedAlias(document) }] };
  }
  const result = shapeOf(content).safeParse(content);
  if (result.success) return { value: result.data, mistakes: [] };
  return {
    mistakes: result.error.issues.map((issue) => ({
      message: describeIssue(issue),
      offset: nearestOffset(document, issue.path),
    })),
  };
}

/** Where the value under a path of keys is written; undefined where there is none. */
export function offsetIn(document: Document, path: readonly PropertyKey[]): number | undefined {
  const node = path.length === 0 ? document.contents : document.getIn(path, true);
  return (node as { range?: [number, number, number] } | undefined)?.range?.[0];
}

/** Of what is missing, where it would have to stand: in the nearest part that is there. */
function nearestOffset(document: Document, path: readonly PropertyKey[]): number {
  return (
    offsetIn(document, path) ?? (path.length === 0 ? 0 : nearestOffset(document, path.slice(0, -1)))
  );
}

/** One line for one mistake: where it is and what is allowed there. */
export function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return `${[...issue.path, issue.keys.join(", ")].join(".")}: is not known here`;
  }
  const isMissing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  const problem = isMissing ? "is missing" : issue.message;
  return issue.path.length === 0 ? problem : `${issue.path.join(".")}: ${problem}`;
}

function offsetOfUnresolvedAlias(document: Document): number {
  let offset = 0;
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}
