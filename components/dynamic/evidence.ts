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

/** What there is of the database that the release would change. */
export interface Past {
  /** Digests of the releases that its journal has accepted. */
  readonly accepted: readonly string[];
  /** Whether its journal knows a migration. */
  readonly isMigrated: boolean;
  /** Its live schema fingerprint. */
  readonly fingerprint: string;
  /** Whether people are served from it now. */
  readonly isServing: boolean;
}

/** A decision, as opposed to a failure to reach one. */
export class Refusal extends UserError {}

/**
 * Lets a release pass that has been proved, one that this database has accepted before, and with
 * `bootstrap` the first one of all.
 * @param target how the database's environment is called
 * @param past undefined as long as there is no volume that data could be on
 * @throws Refusal naming what is missing, and the command to run
 */
export function ensurePromotable(
  candidate: Candidate & { readonly bootstrap: boolean },
  target: string,
  past: Past | undefined,
): void {
  if (past === undefined || isUntouched(past)) {
    if (!candidate.bootstrap) throw unprovedFirst(candidate, target);
    return;
  }
  if (past.accepted.includes(candidate.releaseDigest)) return;
  try {
    ensureProved(candidate, target, past.fingerprint);
  } catch (error) {
    if (!(error instanceof Refusal) || past.isServing) throw error;
    // Whoever reads this may take it for a first release, and would be sent round in a circle.
    throw new Refusal(
      error.problem,
      [
        ...error.details,
        `Nobody is served by ${target} now, but its database is not new: bootstrap is for one that no release was let in to.`,
      ],
      `${error.next ?? ""}; or this with the release that was let in before`,
    );
  }
}

/** Whoever was here before has left a journal. Not to be served yet is no sign: a Service is soon gone. */
function isUntouched({ accepted, isMigrated, isServing }: Past): boolean {
  return accepted.length === 0 && !isMigrated && !isServing;
}

function unprovedFirst({ release, evidence: { stack } }: Candidate, target: string): Refusal {
  return new Refusal(
    `Release ${release} cannot be the first of ${target}: nothing has proved it.`,
    ["There is no production yet that staging could clone."],
    `set promotion to {"from": "${stack}", "bootstrap": true} for the first release`,
  );
}

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
