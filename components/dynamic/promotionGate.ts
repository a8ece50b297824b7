import { errorText, UserError } from "../../userError";
import { readAcceptances } from "../../engine/acceptance";
import { inspectSchema } from "../../engine/inspect";
import { find } from "../../kube/objects";
import type { DatabaseAddress } from "../../kube/postgres";
import { ensurePromotable, type Evidence, type Past, Refusal } from "./evidence";
import type { ResourceKind } from "./resourceKind";
import { withDatabase } from "./schema";

export interface PromotionGateInputs {
  readonly release: string;
  /** sha256 over everything the release consists of. */
  readonly releaseDigest: string;
  readonly evidence: Evidence;
  /** Whether a database that no release was let in to may take one unproved: there is nothing to clone yet. */
  readonly bootstrap: boolean;
  readonly database: DatabaseAddress;
  /** A provider cannot tell a preview from an up: the program says it. */
  readonly isPreview: boolean;
}

const deadlineSeconds = 10;
/** There as long as a release serves people. */
const publicService = "frontend";

/**
 * Refuses a release that the stack before has not passed, in preview already. A release that this
 * database has accepted before passes again: that is how one goes back.
 */
export const promotionGate: ResourceKind<PromotionGateInputs, object> = {
  identify: ({ database }) => `${database.namespace}/promotion`,
  async check(inputs) {
    const { release, database, isPreview } = inputs;
    try {
      ensurePromotable(inputs, database.namespace, await readPast(database));
    } catch (error) {
      if (error instanceof Refusal) throw error;
      const unknown = error instanceof UserError ? unknownBecauseOf(release, error) : error;
      if (!isPreview) throw unknown;
      console.log(`warning: ${errorText(unknown)}`);
    }
  },
  reconcile: () => Promise.resolve({}),
  read: () => Promise.resolve({}),
};

/**
 * What there is of the database; undefined as long as it has no volume. That is what stays when
 * everything else of a stack is destroyed, so it decides whether the journal has to be asked.
 * @throws UserError when there is one and the journal cannot be asked
 */
async function readPast(database: DatabaseAddress): Promise<Past | undefined> {
  const { context, namespace, app } = database;
  const [claim, service] = await Promise.all([
    // A production's claim is called like its server.
    find(context, { kind: "PersistentVolumeClaim", namespace, name: app }),
    find(context, { kind: "Service", namespace, name: publicService }),
  ]);
  const { phase = "Pending" } = claim?.status ?? {};
  if (phase === "Pending") return undefined;
  return withDatabase({ database, deadlineSeconds }, async (client) => {
    const accepted = await readAcceptances(client);
    const { unknownMigrations, schemaFingerprint } = await inspectSchema(client, []);
    return {
      accepted,
      isMigrated: unknownMigrations.length > 0,
      fingerprint: schemaFingerprint,
      isServing: service !== undefined,
    };
  });
}

function unknownBecauseOf(release: string, { problem, details, next }: UserError): UserError {
  return new UserError(
    `Whether release ${release} may pass is not known.`,
    [problem, ...details, "The release of a first up that failed may be tried again as it is."],
    next,
  );
}
