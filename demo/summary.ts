import type { HistoryCheck } from "./load/checkHistory";
import type { Measured } from "./load/tally";

/** What the demo ends with, as one line that a program can read. */
export interface Story {
  readonly prodRelease: string;
  readonly stagingRelease: string;
  readonly requests: number;
  readonly errors: number;
  /** Acknowledged writes that are not there, or there twice. */
  readonly lostWrites: number;
  readonly longestStallMs: number;
  readonly seconds: number;
}

/** One `pulumi up` of the story. */
export interface Step {
  readonly what: string;
  readonly seconds: number;
}

/** All that the story has to tell. */
export interface Told {
  readonly story: Story;
  readonly measured: Measured;
  readonly checked: HistoryCheck;
  readonly steps: readonly Step[];
  readonly page: string;
}

/** The story on one page of Markdown, for whoever decides and was not there. */
export function summarise({ story, measured, checked, steps, page }: Told): string {
  const kept = story.errors === 0 && story.lostWrites === 0;
  return `# BBQ Bookkeeper ${story.prodRelease} is in production

${kept ? "Nobody noticed: no request failed and no write was lost." : "People noticed: see the counts below."}

| what was done | seconds |
| --- | ---: |
${steps.map(({ what, seconds }) => `| ${what} | ${seconds.toFixed(1)} |`).join("\n")}

| what people saw meanwhile | |
| --- | ---: |
| requests | ${measured.requests} |
| of these failed | ${measured.errors} |
| acknowledged writes | ${checked.acknowledged} |
| of these lost, or there twice | ${story.lostWrites} |
| longest time without an answer | ${measured.longestStallMs} ms |
| 99 of 100 requests are faster than, quiet | ${measured.quietP99Ms} ms |
| 99 of 100 requests are faster than, while things changed | ${measured.p99Ms} ms |
${[...measured.firstErrors, ...checked.findings].map((line) => `\n- ${line}`).join("")}

Warehouses have a city and a state now, and stock belongs to a warehouse by number. Both releases wrote
while it happened; the old release came back once and went again${kept ? " without losing a row" : ""}.
The page: ${page}
`;
}
