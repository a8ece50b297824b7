import { createHash } from "node:crypto";

/** What a clone needs to know of production, and what tells whether it is still the same. */
export interface Source {
  readonly namespace: string;
  readonly claim: string;
  /** Image of production's server, with its version. */
  readonly serverImage: string;
  /** Digest of the release that production runs. */
  readonly releaseDigest: string;
  readonly schemaFingerprint: string;
  /** Its schema fingerprint before that release. */
  readonly schemaFingerprintBefore: string;
}

/**
 * What names a clone: the same release against the same production is the same clone, so a preview
 * of an unchanged release changes nothing. Production at this very release is the production that it
 * was proved on: staging keeps its clone when production has followed.
 * @returns twelve hexadecimal digits
 */
export function cloneIdOf(of: {
  readonly releaseDigest: string;
  readonly source: Omit<Source, "claim" | "serverImage">;
  readonly namespaceName: string;
  readonly generation: number;
}): string {
  const { source, releaseDigest, namespaceName, generation } = of;
  const hasFollowed = source.releaseDigest === releaseDigest;
  const fingerprint = hasFollowed ? source.schemaFingerprintBefore : source.schemaFingerprint;
  const places = [source.namespace, namespaceName];
  const parts = JSON.stringify([...places, releaseDigest, fingerprint, generation]);
  return createHash("sha256").update(parts).digest("hex").slice(0, 12);
}
