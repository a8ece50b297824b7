import { strict as assert } from "node:assert";
import { cloneIdOf } from "../../components/cloneId";
import { scramVerifier } from "../../kube/scram";

describe("a clone id", () => {
  const source = {
    namespace: "bookkeeper-prod",
    releaseDigest: "sha256:old",
    schemaFingerprint: "sha256:now",
    schemaFingerprintBefore: "sha256:before",
  };
  const of = {
    releaseDigest: "sha256:new",
    source,
    namespaceName: "bookkeeper-staging",
    generation: 1,
  };

  it("is the same for the same release, production, stack and generation", () => {
    assert.equal(cloneIdOf(of), cloneIdOf({ ...of, source: { ...source } }));
    assert.match(cloneIdOf(of), /^[0-9a-f]{12}$/);
  });

  it("differs when any of them does", () => {
    const ids = [
      of,
      { ...of, releaseDigest: "sha256:newer" },
      { ...of, source: { ...source, schemaFingerprint: "sha256:other" } },
      { ...of, source: { ...source, namespace: "bookkeeper-other" } },
      { ...of, namespaceName: "bookkeeper-review" },
      { ...of, generation: 2 },
    ].map(cloneIdOf);
    assert.equal(new Set(ids).size, ids.length);
  });

  it("stays when production has followed to that very release", () => {
    const followed = {
      ...source,
      releaseDigest: "sha256:new",
      schemaFingerprint: "sha256:after",
      schemaFingerprintBefore: "sha256:now",
    };
    assert.equal(cloneIdOf({ ...of, source: followed }), cloneIdOf(of));
  });
});

describe("a SCRAM verifier", () => {
  it("is what PostgreSQL itself stores for that password and salt", () => {
    // select rolpassword from pg_authid, PostgreSQL 17.9, after alter role ... password 'correct horse'.
    assert.equal(
      scramVerifier("correct horse", Buffer.from("do4U3OpDmbrvXfQNTKUYBg==", "base64")),
      "SCRAM-SHA-256$4096:do4U3OpDmbrvXfQNTKUYBg==$GtPkKtSfJpPc14Xejtl8/6FrgpUJnAxLfMu2m0CeQ+g=:lAvt8K6SADdi7BCDWQnZbEE/kNQE/LvAi6+issYCqvQ=",
    );
  });

  it("has a salt of its own each time", () => {
    assert.notEqual(scramVerifier("same"), scramVerifier("same"));
  });

  it("is refused for a password that servers and clients may read differently", () => {
    for (const password of ["", "pass wörd", "a\nb"]) {
      assert.throws(() => scramVerifier(password), {
        message: /^A password is empty or has characters beyond printable ASCII\./,
      });
    }
  });
});
