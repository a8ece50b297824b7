import * as pulumi from "@pulumi/pulumi";
import * as z from "zod";
import type { DatabaseAddress } from "../kube/postgres";
import { UserError } from "../userError";
import type { Contract } from "./contract";
import type { Database } from "./database";
import type { Evidence } from "./dynamic/evidence";
import type { Environment } from "./environment";
import type { Frontend } from "./frontend";
import type { IntegrityChecks } from "./integrityChecks";
import { settledWith } from "./order";
import type { PromotionGate } from "./promotionGate";
import type { ReleaseContents } from "./releaseContents";
import type { SchemaHistory } from "./schemaHistory";

/** What a stack of this program hands on to others: its outputs, as plain values. */
const outputsShape = z.object({
  release: z.string(),
  releaseDigest: z.string(),
  verdict: z.string(),
  namespace: z.string(),
  claim: z.string(),
  serverImage: z.string(),
  database: z.custom<DatabaseAddress>((value) => typeof value === "object" && value !== null),
  schemaFingerprint: z.string(),
  schemaFingerprintBefore: z.string(),
  schemaFingerprintContracted: z.string(),
});

type StackOutputs = Readonly<z.infer<typeof outputsShape>>;
type KnownOutputs = { readonly [Key in keyof StackOutputs]?: StackOutputs[Key] | undefined };

/** The outputs of another stack of this project; each is missing until that stack has run. */
async function readOutputs(stack: string): Promise<KnownOutputs> {
  const reference = new pulumi.StackReference(
    `${pulumi.getOrganization()}/${pulumi.getProject()}/${stack}`,
  );
  const entries = await Promise.all(
    Object.keys(outputsShape.shape).map(async (key) => {
      const details = await reference.getOutputDetails(key);
      return [key, details.value as unknown] as const;
    }),
  );
  const parsed = outputsShape
    .partial()
    .safeParse(Object.fromEntries(entries.filter(([, value]) => value !== undefined)));
  if (parsed.success) return parsed.data;
  throw new UserError(
    `The outputs of stack ${stack} are not what this program writes.`,
    parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`),
    `pulumi up -s ${stack} with this version of the program`,
  );
}

/**
 * The outputs of the stack whose data is cloned.
 * @throws UserError when it does not exist or has not been brought up to its end
 */
export async function readSource(stack: string): Promise<StackOutputs> {
  const outputs = await readOutputs(stack);
  const missing = Object.keys(outputsShape.shape).filter((key) => !(key in outputs));
  if (missing.length === 0) return outputs as StackOutputs;
  throw new UserError(
    `Stack ${stack} has nothing to clone: it has not been brought up to its end.`,
    [`Its outputs lack: ${missing.join(", ")}.`],
    `pulumi up -s ${stack}, then this again`,
  );
}

/** The parts of a stack that its outputs are made of. */
interface Parts {
  readonly environment: Environment;
  readonly database: Database;
  readonly schema: SchemaHistory;
  readonly checks: IntegrityChecks;
  readonly frontend: Frontend;
  readonly contract: Contract;
  readonly promotion: PromotionGate | undefined;
}

/** What this stack hands on: to people, to the next stack, and to the stack that clones it. */
export function handOn({ releaseDigest }: ReleaseContents, parts: Parts) {
  const { environment, database, schema, checks, frontend, contract, promotion } = parts;
  return {
    release: frontend.release,
    releaseDigest,
    verdict: settledWith("passed", frontend.release, checks.verifiedVersion),
    page: frontend.page,
    namespace: environment.namespace,
    database: database.address,
    claim: database.claim,
    serverImage: database.serverImage,
    schemaVersion: checks.verifiedVersion,
    schemaFingerprint: schema.fingerprint,
    schemaFingerprintBefore: promotion?.schemaBefore ?? checks.schemaFingerprintBefore,
    schemaFingerprintContracted: contract.schemaFingerprint,
    waiting: contract.waiting,
  };
}

/** What a stack has shown of the release it runs, for the gate of the next one. */
export async function readEvidence(stack: string): Promise<Evidence> {
  const outputs = await readOutputs(stack);
  const {
    release,
    releaseDigest,
    verdict,
    schemaFingerprintBefore: schemaBefore,
    schemaFingerprint: expanded,
    schemaFingerprintContracted: contracted,
  } = outputs;
  const schemaAfter = [expanded, contracted].filter((text) => text !== undefined);
  return {
    stack,
    ...(release && { release }),
    ...(releaseDigest && { releaseDigest }),
    ...(verdict && { verdict }),
    ...(schemaBefore && { schemaBefore }),
    ...(schemaAfter.length > 0 && { schemaAfter }),
  };
}
