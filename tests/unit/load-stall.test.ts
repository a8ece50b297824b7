import { strict as assert } from "node:assert";
import { StallWatch } from "../../demo/load/stall";

describe("the longest stall", () => {
  it("is the longest time without an answer while requests were outstanding", () => {
    const watch = new StallWatch();
    watch.sent(0);
    watch.sent(10);
    watch.ended(30, "up", true);
    watch.ended(75, "up", true);
    assert.equal(watch.longestMs(["up"]), 45);
  });

  it("is not the time in which nobody asked", () => {
    const watch = new StallWatch();
    watch.sent(0);
    watch.ended(5, "up", true);
    watch.sent(900);
    watch.ended(920, "up", true);
    assert.equal(watch.longestMs(["up"]), 20);
  });

  it("goes on over requests that fail at once", () => {
    const watch = new StallWatch();
    for (const second of [0, 1, 2, 3]) {
      watch.sent(second * 1_000);
      watch.ended(second * 1_000 + 1, "up", false);
    }
    watch.sent(4_000);
    watch.ended(4_010, "up", true);
    assert.equal(watch.longestMs(["up"]), 4_010);
  });

  it("counts in the phase in which it is, also when it is not over", () => {
    const watch = new StallWatch();
    watch.sent(0);
    watch.note(80, "quiet");
    watch.ended(100, "up", true);
    assert.deepEqual([watch.longestMs(["quiet"]), watch.longestMs(["up"])], [80, 100]);
    assert.equal(watch.longestMs(["never"]), 0);
  });
});
