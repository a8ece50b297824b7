import type { ContractInputs } from "./contract";
import type { IntegrityChecksInputs } from "./integrityChecks";
import type { MaskedSnapshotInputs } from "./maskedSnapshot";
import type { MigrationInputs } from "./migration";
import type { PromotionGateInputs } from "./promotionGate";
import type { RepeatablesInputs } from "./repeatables";
import type { DeclaredKind } from "./resourceKind";
import type { RollbackRequest } from "../../kube/rollback";
import type { ServerRequest } from "../../kube/serverReady";
import type { SampleDataInputs } from "./sampleData";
import type { SchemaBaselineInputs } from "./schemaBaseline";

/** The inputs of whatever works on a schema. */
const ofSchema = ["database", "folder", "cloneId", "deadlineSeconds", "rollbackPoint"] as const;

/**
 * The kinds of dynamic resources there are. Each implementation is loaded when something is to be
 * done: a preview only compares inputs, and loading engine and cluster client would cost it a second.
 */
export const kinds = {
  migration: declare<MigrationInputs>(
    [...ofSchema, "migration", "digest", "ahead", "previewOf"],
    async () => (await import("./migration.js")).migration,
    {
      ignored: ["ahead", "rollbackPoint", "previewOf"],
      // Only a preview says what it would look at, and only what is pending is looked at. A server
      // that is yet to be made has no address: then Pulumi puts a text in its place.
      isChecked: ({ previewOf, digest }, previous) =>
        typeof previewOf === "object" && previous?.digest !== digest,
    },
  ),
  schemaBaseline: declare<SchemaBaselineInputs>(
    [...ofSchema, "through", "digest", "releaseDigest", "last", "previewOf"],
    async () => (await import("./schemaBaseline.js")).schemaBaseline,
    {
      ignored: ["rollbackPoint", "previewOf"],
      // Going back is what may be refused.
      isChecked: ({ previewOf, last }, previous) =>
        typeof previewOf === "object" && previous !== undefined && previous.last !== last,
    },
  ),
  repeatables: declare<RepeatablesInputs>(
    [...ofSchema, "through", "digest", "previewOf"],
    async () => (await import("./repeatables.js")).repeatables,
    {
      ignored: ["rollbackPoint", "previewOf"],
      isChecked: ({ previewOf, digest }, previous) =>
        typeof previewOf === "object" && previous?.digest !== digest,
    },
  ),
  promotionGate: declare<PromotionGateInputs>(
    ["release", "releaseDigest", "evidence", "bootstrap", "database", "isPreview"],
    async () => (await import("./promotionGate.js")).promotionGate,
    {
      ignored: ["evidence", "bootstrap", "isPreview"],
      // What was let in stays in: only another release is looked at.
      isChecked: (inputs, previous) => previous?.releaseDigest !== inputs.releaseDigest,
    },
  ),
  contract: declare<ContractInputs>(
    [
      ...ofSchema,
      "through",
      "release",
      "app",
      "logins",
      "administrator",
      "pooler",
      "soakSeconds",
      "keepDays",
    ],
    async () => (await import("./contract.js")).contract,
    // Who is asked, and for how long, is no change of what there is to give up.
    { ignored: ["logins", "administrator", "pooler", "soakSeconds", "rollbackPoint"] },
  ),
  sampleData: declare<SampleDataInputs>(
    ["database", "file", "rows", "seed"],
    async () => (await import("./sampleData.js")).sampleData,
  ),
  integrityChecks: declare<IntegrityChecksInputs>(
    [
      "control",
      "database",
      "folder",
      "through",
      "declarations",
      "schemaVersion",
      "cloneId",
      "deadlineSeconds",
    ],
    async () => (await import("./integrityChecks.js")).integrityChecks,
  ),
  maskedSnapshot: declare<MaskedSnapshotInputs>(
    [
      "context",
      "cloneId",
      "deployer",
      "source",
      "quarantine",
      "target",
      "loginRolesToDrop",
      "snapshotClass",
      "storageClass",
      "allowUnmasked",
      "deadlineSeconds",
    ],
    async () => (await import("./maskedSnapshot.js")).maskedSnapshot,
    {
      ignored: ["deadlineSeconds"],
      replacing: ["context", "cloneId", "quarantine"],
      isRemoved: true,
    },
  ),
  serverReady: declare<ServerRequest>(
    ["context", "namespace", "app", "generation", "deadlineSeconds"],
    async () => (await import("./serverReady.js")).serverReady,
    { ignored: ["deadlineSeconds"] },
  ),
  rollbackPoint: declare<RollbackRequest>(
    [
      "context",
      "namespace",
      "claim",
      "change",
      "snapshotClass",
      "keep",
      "freshMinutes",
      "deadlineSeconds",
    ],
    async () => (await import("./rollbackPoint.js")).rollbackPoint,
    // Otherwise a longer deadline would take one more, and remove the oldest.
    { ignored: ["deadlineSeconds"] },
  ),
};

/** A kind of dynamic resource. */
export type Kind = keyof typeof kinds;

function declare<I extends object>(
  inputs: DeclaredKind<I, object>["inputs"],
  load: DeclaredKind<I, object>["load"],
  more: Omit<DeclaredKind<I, object>, "inputs" | "load"> = {},
): DeclaredKind<I, object> {
  return { inputs, load, ...more };
}
