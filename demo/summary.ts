import type { LoadResult } from "./load/load";
import type { Story } from "./story";

/** One `pulumi up` of the story. */
export interface Step {
  readonly what: string;
  readonly seconds: number;
}

/** The story on one page of Markdown, for whoever decides and was not there. */
export function summarise(
  story: Story,
  load: LoadResult,
  steps: readonly Step[],
  page: string,
): string {
  const kept = story.errors === 0 && story.lostWrites === 0;
  return `# BBQ Bookkeeper ${story.prodRelease} is in production

${kept ? "Nobody noticed: no request failed and no write was lost." : "People noticed: see the counts below."}

| what was done | seconds |
| --- | ---: |
${steps.map(({ what, seconds }) => `| ${what} | ${seconds.toFixed(1)} |`).join("\n")}

| what people saw meanwhile | |
| --- | ---: |
| requests | ${load.requests} |
| of these failed | ${load.errors} |
| acknowledged writes that are lost or there twice | ${story.lostWrites} |
| longest time without an answer | ${load.longestStallMs} ms |
| slowest of a hundred requests, quiet | ${load.quietP99Ms} ms |
| slowest of a hundred requests, while production changed | ${load.p99Ms} ms |

Warehouses have a city and a state now, and stock belongs to a warehouse by number. Both releases wrote
while it happened; the old release came back once and went again without losing a row.
The page: ${page}
`;
}
