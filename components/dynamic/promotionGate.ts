import { errorText } from "../../userError";
import { readAcceptances } from "../../engine/acceptance";
import { inspectSchema } from "../../engine/inspect";
import { find } from "../../kube/objects";
import type { DatabaseAddress } from "../../kube/postgres";
import { ensureProved, type Evidence, Refusal } from "./evidence";
import type { ResourceKind } from "./resourceKind";
import { withDatabase } from "./schema";

export interface PromotionGateInputs {
  readonly release: string;
  /** sha256 over everything the release consists of. */
  readonly releaseDigest: string;
  readonly evidence: Evidence;
  /** Whether a stack that has never served may take a release unproved: there is nothing to clone yet. */
  readonly bootstrap: boolean;
  readonly database: DatabaseAddress;
  /** A provider cannot tell a preview from an up: the program says it. */
  readonly isPreview: boolean;
}

const deadlineSeconds = 10;
/** There as soon as a release has served people: a first release that failed has not made it. */
const publicService = "frontend";

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
      const reason = errorText(error);
      console.log(`warning: whether release ${inputs.release} may pass is not known. ${reason}`);
    }
  },
  reconcile: () => Promise.resolve({}),
  read: () => Promise.resolve({}),
};

async function ensurePromotable(inputs: PromotionGateInputs): Promise<void> {
  const { release, releaseDigest, evidence, database } = inputs;
  const { context, namespace } = database;
  const served = await find(context, { kind: "Service", namespace, name: publicService });
  if (served === undefined) {
    if (inputs.bootstrap) return;
    throw new Refusal(
      `Release ${release} cannot be the first of ${namespace}: nothing has proved it.`,
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
  if (!accepted.includes(releaseDigest)) ensureProved(inputs, namespace, fingerprint);
}
