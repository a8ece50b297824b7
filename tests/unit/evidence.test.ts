import { strict as assert } from "node:assert";
import { ensureProved, type Evidence } from "../../components/dynamic/evidence";
import { UserError } from "../../userError";

const passed: Evidence = {
  stack: "staging",
  release: "2.0.0",
  releaseDigest: "sha256:two",
  verdict: "passed",
  schemaBefore: "sha256:before",
  schemaAfter: ["sha256:expanded", "sha256:contracted"],
};

function refusalOf(evidence: Evidence, fingerprint = "sha256:before"): string | undefined {
  try {
    const candidate = { release: "2.0.0", releaseDigest: "sha256:two", evidence };
    ensureProved(candidate, "bookkeeper-prod", fingerprint);
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
      assert.equal(refusalOf(passed, fingerprint), undefined);
    }
  });

  it("is missing while the stack before has run nothing", () => {
    assert.equal(
      refusalOf({ stack: "staging" }),
      ["Release 2.0.0 has not been proved: stack staging has run nothing.", next].join("\n  "),
    );
  });

  it("is not that of another release", () => {
    assert.equal(
      refusalOf({ ...passed, release: "1.0.0", releaseDigest: "sha256:one" }),
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
      refusalOf({ ...passed, releaseDigest: "sha256:edited" }),
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
      refusalOf({ ...passed, verdict: "" }),
      ["Release 2.0.0 has not passed on stack staging.", "Its verdict there: ", next].join("\n  "),
    );
  });

  it("is void when production's schema has changed since it was cloned", () => {
    assert.equal(
      refusalOf(passed, "sha256:changed"),
      [
        "Release 2.0.0 was proved on another schema than bookkeeper-prod has now.",
        "there, when staging cloned it: sha256:before",
        "there, now: sha256:changed",
        "Next: pulumi up -s staging with a higher stateful-cd:clone generation, then this again",
      ].join("\n  "),
    );
  });
});
