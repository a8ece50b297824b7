import { readAcceptances } from "../../engine/acceptance";
import { inspectSchema } from "../../engine/inspect";
import { hasNamespace } from "../../kube/namespace";
import type { DatabaseAddress } from "../../kube/postgres";
import { UserError } from "../../userError";
import type { ResourceKind } from "./resourceKind";
import { withDatabase } from "./schema";

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

export interface PromotionGateInputs {
  readonly release: string;
  /** sha256 over everything the release consists of. */
  readonly releaseDigest: string;
  readonly evidence: Evidence;
  /** Whether a stack without a database may take its first release unproved: there is nothing to clone yet. */
  readonly bootstrap: boolean;
  readonly database: DatabaseAddress;
  /** A provider cannot tell a preview from an up: the program says it. */
  readonly isPreview: boolean;
}

const deadlineSeconds = 10;

/**
 * Refuses a release that the stack before has not passed, in preview already. A release that this
 * database has accepted before passes again: that is how one goes back.
 */
export const promotionGate: ResourceKind<PromotionGateInputs, object> = {
  identify: ({ database }) => `${database.namespace}/promotion`,
  async check(inputs) {
    try {
      await ensurePromotable(inputs);
    } catch (error) {
      if (error instanceof Refusal || !inputs.isPreview) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      console.log(`warning: whether release ${inputs.release} may pass is not known. ${reason}`);
    }
  },
  reconcile: () => Promise.resolve({}),
  read: () => Promise.resolve({}),
};

/** A decision, as opposed to a failure to reach one. */
class Refusal extends UserError {}

async function ensurePromotable(inputs: PromotionGateInputs): Promise<void> {
  const { release, releaseDigest, evidence, database } = inputs;
  if (!(await hasNamespace(database.context, database.namespace))) {
    if (inputs.bootstrap) return;
    throw new Refusal(
      `Release ${release} cannot be the first of ${database.namespace}: nothing has proved it.`,
      ["There is no production yet that staging could clone."],
      'set promotion to {"from": "' +
        evidence.stack +
        '", "bootstrap": true} for the first release',
    );
  }
  const { accepted, fingerprint } = await withDatabase(
    { database, deadlineSeconds },
    async (client) => ({
      accepted: await readAcceptances(client),
      fingerprint: (await inspectSchema(client, [])).schemaFingerprint,
    }),
  );
  if (accepted.includes(releaseDigest)) return;
  ensurePassed(inputs);
  const known = [evidence.schemaBefore, ...(evidence.schemaAfter ?? [])];
  if (known.includes(fingerprint)) return;
  throw new Refusal(
    `Release ${release} was proved on another schema than ${database.namespace} has now.`,
    [
      `when ${evidence.stack} cloned it: ${evidence.schemaBefore ?? "unknown"}`,
      `now:                    ${fingerprint}`,
    ],
    `pulumi up -s ${evidence.stack} with a new clone (stateful-cd:clone: generation), then this again`,
  );
}

function ensurePassed({ release, releaseDigest, evidence }: PromotionGateInputs): void {
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
    const differs =
      evidence.release === release
        ? [`Its release ${release} had other contents: ${evidence.releaseDigest ?? "unknown"}`]
        : [`Stack ${stack} has passed release ${evidence.release}.`];
    throw new Refusal(
      `Release ${release} has not been proved by stack ${stack}.`,
      [...differs, `asked for: ${releaseDigest}`],
      next,
    );
  }
  if (evidence.verdict !== "passed") {
    throw new Refusal(
      `Release ${release} has not passed on stack ${stack}.`,
      [`Its verdict there: ${evidence.verdict ?? "none"}`],
      next,
    );
  }
}
