import { UserError } from "../../userError";

/** What the stack before has shown, from its outputs; a field is absent until it has run. */
export interface Evidence {
  /** The stack's name. */
  readonly stack: string;
  readonly release?: string;
  /** The release digest of what it runs. */
  readonly releaseDigest?: string;
  /** `passed` when the release serves there and every check has passed. */
  readonly verdict?: string;
  /** This database's schema fingerprint when it was cloned. */
  readonly schemaBefore?: string;
  /** The schema fingerprints that the release leads to: expanded, contracted. */
  readonly schemaAfter?: readonly string[];
}

/** The release that asks to be let in. */
export interface Candidate {
  readonly release: string;
  /** sha256 over everything the release consists of. */
  readonly releaseDigest: string;
  readonly evidence: Evidence;
}

/** A decision, as opposed to a failure to reach one. */
export class Refusal extends UserError {}

/**
 * Lets pass what the stack before has passed, on the schema that the database has now.
 * @param target how the database's environment is called
 * @param fingerprint its live schema fingerprint
 * @throws Refusal naming what differs, both values, and the command to run
 */
export function ensureProved(candidate: Candidate, target: string, fingerprint: string): void {
  ensurePassed(candidate);
  const { release, evidence } = candidate;
  const known = [evidence.schemaBefore, ...(evidence.schemaAfter ?? [])];
  if (known.includes(fingerprint)) return;
  throw new Refusal(
    `Release ${release} was proved on another schema than ${target} has now.`,
    [
      `there, when ${evidence.stack} cloned it: ${evidence.schemaBefore ?? "unknown"}`,
      `there, now: ${fingerprint}`,
    ],
    `pulumi up -s ${evidence.stack} with a higher stateful-cd:clone generation, then this again`,
  );
}

function ensurePassed({ release, releaseDigest, evidence }: Candidate): void {
  const { stack } = evidence;
  const next = `pulumi up -s ${stack} with stateful-cd:release: "${release}", then this again`;
  if (evidence.release === undefined) {
    throw new Refusal(
      `Release ${release} has not been proved: stack ${stack} has run nothing.`,
      [],
      next,
    );
  }
  if (evidence.releaseDigest !== releaseDigest) {
    const shown =
      evidence.release === release
        ? `Its release ${release} had other contents: ${evidence.releaseDigest ?? "unknown"}`
        : `It has passed release ${evidence.release}.`;
    throw new Refusal(
      `Release ${release} has not been proved by stack ${stack}.`,
      [shown, `Asked for: ${releaseDigest}`],
      next,
    );
  }
  if (evidence.verdict === "passed") return;
  throw new Refusal(
    `Release ${release} has not passed on stack ${stack}.`,
    [`Its verdict there: ${evidence.verdict ?? "none"}`],
    next,
  );
}
