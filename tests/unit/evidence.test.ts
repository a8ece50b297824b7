import { strict as assert } from "node:assert";
import { ensurePromotable, type Evidence, type Past } from "../../components/dynamic/evidence";
import { UserError } from "../../userError";

const passed: Evidence = {
  stack: "staging",
  release: "2.0.0",
  releaseDigest: "sha256:two",
  verdict: "passed",
  schemaBefore: "sha256:before",
  schemaAfter: ["sha256:expanded", "sha256:contracted"],
};

const used: Past = {
  accepted: ["sha256:one"],
  isMigrated: true,
  fingerprint: "sha256:before",
  isServing: true,
};

function refusalOf(
  evidence: Evidence,
  past: Past | undefined,
  bootstrap = true,
): string | undefined {
  try {
    const candidate = { release: "2.0.0", releaseDigest: "sha256:two", evidence, bootstrap };
    ensurePromotable(candidate, "bookkeeper-prod", past);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof UserError);
    return error.message;
  }
}

const next = 'Next: pulumi up -s staging with stateful-cd:release: "2.0.0", then this again';

describe("the evidence for a release", () => {
  it("is enough on the schema that was cloned, and on each that the release leads to", () => {
    for (const fingerprint of ["sha256:before", "sha256:expanded", "sha256:contracted"]) {
      assert.equal(refusalOf(passed, { ...used, fingerprint }), undefined);
    }
  });

  it("is missing while the stack before has run nothing", () => {
    assert.equal(
      refusalOf({ stack: "staging" }, used),
      ["Release 2.0.0 has not been proved: stack staging has run nothing.", next].join("\n  "),
    );
  });

  it("is not that of another release", () => {
    assert.equal(
      refusalOf({ ...passed, release: "1.0.0", releaseDigest: "sha256:one" }, used),
      [
        "Release 2.0.0 has not been proved by stack staging.",
        "It has passed release 1.0.0.",
        "Asked for: sha256:two",
        next,
      ].join("\n  "),
    );
  });

  it("is not that of the same version with other contents", () => {
    assert.equal(
      refusalOf({ ...passed, releaseDigest: "sha256:edited" }, used),
      [
        "Release 2.0.0 has not been proved by stack staging.",
        "Its release 2.0.0 had other contents: sha256:edited",
        "Asked for: sha256:two",
        next,
      ].join("\n  "),
    );
  });

  it("is not a run without a verdict", () => {
    assert.equal(
      refusalOf({ ...passed, verdict: "" }, used),
      ["Release 2.0.0 has not passed on stack staging.", "Its verdict there: ", next].join("\n  "),
    );
  });

  it("is void when production's schema has changed since it was cloned", () => {
    assert.equal(
      refusalOf(passed, { ...used, fingerprint: "sha256:changed" }),
      [
        "Release 2.0.0 was proved on another schema than bookkeeper-prod has now.",
        "there, when staging cloned it: sha256:before",
        "there, now: sha256:changed",
        "Next: pulumi up -s staging with a higher stateful-cd:clone generation, then this again",
      ].join("\n  "),
    );
  });
});

describe("a release that nothing has proved", () => {
  const nothing: Evidence = { stack: "staging" };
  const untouched: Past = {
    accepted: [],
    isMigrated: false,
    fingerprint: "sha256:empty",
    isServing: false,
  };

  it("is the first one where there is no volume, or a database that no release was let in to", () => {
    assert.equal(refusalOf(nothing, undefined), undefined);
    assert.equal(refusalOf(nothing, untouched), undefined);
  });

  it("is not even the first one without bootstrap", () => {
    const refusal = [
      "Release 2.0.0 cannot be the first of bookkeeper-prod: nothing has proved it.",
      "There is no production yet that staging could clone.",
      'Next: set promotion to {"from": "staging", "bootstrap": true} for the first release',
    ].join("\n  ");
    assert.equal(refusalOf(nothing, untouched, false), refusal);
  });

  it("passes where it was accepted before: a first up that failed is repeated, and one goes back", () => {
    const begun = { ...untouched, accepted: ["sha256:two"], isMigrated: true };
    assert.equal(refusalOf(nothing, begun), undefined);
    assert.equal(
      refusalOf(nothing, { ...used, accepted: ["sha256:two", "sha256:one"] }),
      undefined,
    );
  });

  it("is refused on a database that was used, also when nobody is served any more", () => {
    const refusal = [
      "Release 2.0.0 has not been proved: stack staging has run nothing.",
      "Nobody is served by bookkeeper-prod now, but its database is not new: bootstrap is for one that no release was let in to.",
      `${next}; or this with the release that was let in before`,
    ].join("\n  ");
    assert.equal(refusalOf(nothing, { ...used, isServing: false }), refusal);
    // Migrations that somebody has applied without Pulumi.
    assert.equal(refusalOf(nothing, { ...untouched, isMigrated: true }), refusal);
  });

  it("passes on a database that serves nobody once it is proved", () => {
    assert.equal(refusalOf(passed, { ...used, isServing: false }), undefined);
  });
});
