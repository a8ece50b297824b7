import { strict as assert } from "node:assert";
import { summarise, type Told } from "../../demo/summary";

const figures = { requests: 0, errors: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
const quietStory: Told = {
  story: {
    prodRelease: "2.0.0",
    stagingRelease: "2.0.0",
    requests: 8239,
    errors: 0,
    lostWrites: 0,
    longestStallMs: 212,
    seconds: 180,
  },
  measured: {
    requests: 8239,
    errors: 0,
    retried: 0,
    reloads: 1,
    longestStallMs: 212,
    quietP99Ms: 31,
    p99Ms: 84,
    lagMs: 3,
    byPhase: {},
    byRelease: { "1.0.0": figures, "2.0.0": figures },
    answeredBy: {},
    firstErrors: [],
    slowest: [],
  },
  checked: { writes: 3630, acknowledged: 3628, lostWrites: 0, doubledWrites: 0, findings: [] },
  steps: [
    { what: "Production: release 1.0.0 from nothing", seconds: 31.26 },
    { what: "Production: to 2.0.0, both releases serving", seconds: 14 },
  ],
  page: "http://127.0.0.1:30080",
};

const whatWasDone = `| what was done | seconds |
| --- | ---: |
| Production: release 1.0.0 from nothing | 31.3 |
| Production: to 2.0.0, both releases serving | 14.0 |`;

describe("the demo's summary", () => {
  it("tells on one page what was done and what people saw of it", () => {
    assert.equal(
      summarise(quietStory),
      `# BBQ Bookkeeper 2.0.0 is in production

Nobody noticed: no request failed and no write was lost.

${whatWasDone}

| what people saw meanwhile | |
| --- | ---: |
| requests | 8239 |
| of these failed | 0 |
| acknowledged writes | 3628 |
| of these lost, or there twice | 0 |
| longest time without an answer | 212 ms |
| 99 of 100 requests are faster than, quiet | 31 ms |
| 99 of 100 requests are faster than, while things changed | 84 ms |


Warehouses have a city and a state now, and stock belongs to a warehouse by number. Both releases wrote
while it happened; the old release came back once and went again without losing a row.
The page: http://127.0.0.1:30080
`,
    );
  });

  it("says that people noticed, and lists what failed and what the database lacks", () => {
    const { story, measured, checked } = quietStory;
    const summary = summarise({
      ...quietStory,
      story: { ...story, errors: 1, lostWrites: 2 },
      measured: { ...measured, errors: 1, firstErrors: ["12.5 s: GET /api/menu: no answer"] },
      checked: {
        ...checked,
        lostWrites: 1,
        doubledWrites: 1,
        findings: ['"Ribs" (7) is not there.', "Warehouse 3 is there, and nobody was told so."],
      },
    });
    assert.equal(
      summary,
      `# BBQ Bookkeeper 2.0.0 is in production

People noticed: see the counts below.

${whatWasDone}

| what people saw meanwhile | |
| --- | ---: |
| requests | 8239 |
| of these failed | 1 |
| acknowledged writes | 3628 |
| of these lost, or there twice | 2 |
| longest time without an answer | 212 ms |
| 99 of 100 requests are faster than, quiet | 31 ms |
| 99 of 100 requests are faster than, while things changed | 84 ms |

- 12.5 s: GET /api/menu: no answer
- "Ribs" (7) is not there.
- Warehouse 3 is there, and nobody was told so.

Warehouses have a city and a state now, and stock belongs to a warehouse by number. Both releases wrote
while it happened; the old release came back once and went again.
The page: http://127.0.0.1:30080
`,
    );
  });
});
