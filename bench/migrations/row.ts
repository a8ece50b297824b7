import { median } from "../median";
import { ours, type Tool } from "./peers";
import type { BenchServer } from "./server";

/** One line of the result; extra fields stand beside these. null: it did not get there. */
export interface Row {
  readonly ours: number | null;
  readonly peers: Readonly<Record<string, number | null>>;
  readonly unit: string;
  readonly [extra: string]: unknown;
}

export interface Bench {
  readonly server: BenchServer;
  readonly peers: readonly Tool[];
  readonly runs: number;
  /** Rows of the table that is filled. */
  readonly rows: number;
  readonly say: (line: string) => void;
}

/** What takes longer than this is measured once: the others' medians are worth more. */
const oncePerMilliseconds = 60_000;

/** Runs every tool `runs` times, in turns, so that a slow minute of the machine hits all alike. */
export async function inTurns<T>(
  { runs, say }: Bench,
  what: string,
  tools: readonly Tool[],
  measure: (tool: Tool) => Promise<T>,
): Promise<ReadonlyMap<string, readonly T[]>> {
  const found = new Map<string, T[]>(tools.map(({ name }) => [name, []]));
  const tooSlow = new Set<string>();
  for (let run = 1; run <= runs; run++) {
    for (const tool of tools) {
      if (tooSlow.has(tool.name)) continue;
      const begun = performance.now();
      const result = await measure(tool);
      found.get(tool.name)?.push(result);
      if (performance.now() - begun > oncePerMilliseconds) tooSlow.add(tool.name);
      say(`${what}, run ${run} of ${runs}, ${tool.name}: ${JSON.stringify(result)}`);
    }
  }
  return found;
}

/** Medians of a number; the least and the most of each tool's own runs tell what is noise. */
export interface Medians {
  readonly ours: number | null;
  readonly peers: Readonly<Record<string, number | null>>;
  readonly range: Readonly<Record<string, readonly [number, number]>>;
}

/** The medians of one number of all results. One that did not get there once has none. */
export function medians<T>(
  results: ReadonlyMap<string, readonly T[]>,
  numberOf: (result: T) => number | null,
): Medians {
  const peers: Record<string, number | null> = {};
  const range: Record<string, readonly [number, number]> = {};
  for (const [name, list] of results) {
    const numbers = list.map(numberOf).filter((number) => number !== null);
    const isThere = numbers.length === list.length;
    peers[name] = isThere ? rounded(median(numbers)) : null;
    if (isThere) range[name] = [rounded(Math.min(...numbers)), rounded(Math.max(...numbers))];
  }
  const { [ours.name]: own = null, ...others } = peers;
  return { ours: own, peers: others, range };
}

function rounded(number: number): number {
  return Math.round(number * 10) / 10;
}
