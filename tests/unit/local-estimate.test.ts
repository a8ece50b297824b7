import { strict as assert } from "node:assert";
import { estimateSecondsLeft, formatDuration } from "../../local/estimate";

const step = (referenceSeconds: number) => ({ referenceSeconds });

describe("the estimate of a long build", () => {
  it("is the reference while nothing is measured", () => {
    const left = estimateSecondsLeft([], { referenceSeconds: 100, elapsed: 30 }, [step(200)]);
    assert.equal(left, 270);
  });

  it("scales what is left by how this machine has done so far", () => {
    const finished = [{ referenceSeconds: 600, seconds: 1260 }];
    const left = estimateSecondsLeft(finished, { referenceSeconds: 100, elapsed: 0 }, [step(100)]);
    assert.equal(left, 400);
  });

  it("does not trust a few quick steps: two seconds instead of five prove little", () => {
    const finished = [{ referenceSeconds: 5, seconds: 2 }];
    const left = estimateSecondsLeft(finished, { referenceSeconds: 650, elapsed: 0 }, []);
    assert.equal(left, 620);
  });

  it("grows while a step outlives its share, and never says that nothing is left", () => {
    const waiting = [step(100)];
    const onTime = estimateSecondsLeft([], { referenceSeconds: 90, elapsed: 89 }, waiting);
    const late = estimateSecondsLeft([], { referenceSeconds: 90, elapsed: 180 }, waiting);
    assert.equal(onTime, 101);
    assert.equal(late, 220);
    assert.equal(estimateSecondsLeft([], { referenceSeconds: 10, elapsed: 10 }, []), 1);
  });
});

describe("a duration", () => {
  it("is written as people say it", () => {
    const written = [0.4, 45, 100, 3000, 3900].map(formatDuration);
    assert.deepEqual(written, ["0 s", "45 s", "2 min", "50 min", "1 h 05 min"]);
  });
});
