import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { labelsOf, partsOf } from "../kube/clone/names";
import { hasNamespace } from "../kube/namespace";
import { find, list, type Ref } from "../kube/objects";
import { dataLabel } from "../kube/readyPod";
import { deadlineIn, remove, waitFor } from "../kube/waiting";
import { repository } from "../local/paths";
import {
  orphansInStorage,
  production,
  programContext as context,
  runKind,
  serverImage,
  staging,
} from "./cloneScene";
import { apply, eventually, identity } from "./pods";
import { adminContext } from "./testStack";

type Inputs = ReturnType<typeof cloneInputs>;

/** What the program declares of a MaskedSnapshot of the scene's production. */
export function cloneInputs(cloneId: string, changes: object = {}) {
  return {
    context,
    cloneId,
    deployer: "stateful-cd",
    source: { namespace: production, claim: "database", serverImage },
    quarantine: `bookkeeper-clq-${cloneId}`,
    target: {
      namespace: staging,
      passwords: [
        { role: "postgres", secret: "database", key: "superuser-password" },
        { role: "pooler", secret: "database", key: "pooler-password" },
        { role: "bookkeeper_owner", secret: "database", key: "owner-password" },
      ],
      storage: "1Gi",
    },
    loginRolesToDrop: "bookkeeper_app_",
    allowUnmasked: true,
    deadlineSeconds: 60,
    ...changes,
  };
}

/** Makes a clone in a process of its own, killed at the first line that `killAt` says yes to. */
export const createClone = (inputs: object, killAt?: (line: string) => boolean) =>
  runKind("maskedSnapshot", "create", [inputs], killAt);
export const removeClone = (inputs: object) => runKind("maskedSnapshot", "delete", ["any", inputs]);

/** `npm run sweep` with these options. */
export async function sweep(...options: string[]): Promise<{ status: number; output: string }> {
  const cli = path.join(repository, "dist", "kube", "clone", "cli.js");
  try {
    const args = [cli, "--context", context, ...options];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    return { status: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, output: stdout + stderr };
  }
}

/** Sweeps with these options, which must find nothing of this clone; what others have left goes. */
export async function assertSweptNothingOf(inputs: Inputs, ...options: string[]): Promise<void> {
  const { status, output } = await sweep(...options);
  assert.equal(status, 0, output);
  for (const name of [inputs.quarantine, `clone-${inputs.cloneId}`]) {
    assert.ok(!output.includes(name), output);
  }
}

/** Whether there is a masked snapshot, imported or waiting for that. */
export async function isFinished({ quarantine }: Inputs): Promise<boolean> {
  const name = `${quarantine}-masked`;
  return (await find(context, { kind: "VolumeSnapshotContent", name })) !== undefined;
}

/** Everything of a clone but its finished snapshot, wherever it may lie. */
async function partsLeft(inputs: Inputs): Promise<string[]> {
  const clone = partsOf({
    context: adminContext,
    cloneId: inputs.cloneId,
    sourceNamespace: production,
    quarantine: inputs.quarantine,
  });
  await eventually("the end of the quarantine", 30, async () =>
    (await hasNamespace(adminContext, inputs.quarantine)) ? undefined : true,
  );
  const volumes = await list(adminContext, "PersistentVolume");
  const contents = await list(adminContext, "VolumeSnapshotContent");
  const source = await find(adminContext, clone.sourceSnapshot);
  return [
    ...(source === undefined ? [] : ["source snapshot"]),
    ...volumes
      .filter(({ spec }) => spec?.claimRef?.namespace === inputs.quarantine)
      .map(({ metadata }) => metadata?.name ?? ""),
    ...contents
      .filter(({ metadata, spec: { volumeSnapshotRef: to } }) => {
        const ours = metadata?.labels?.["stateful-cd/clone"] === inputs.cloneId;
        const bound = to.namespace === inputs.quarantine || to.name === `clone-${inputs.cloneId}`;
        return (ours || bound) && metadata?.name !== clone.maskedContent.name;
      })
      .map(({ metadata }) => metadata?.name ?? ""),
  ];
}

export async function assertNothingLeft(inputs: Inputs): Promise<void> {
  assert.deepEqual(await partsLeft(inputs), []);
  assert.deepEqual(await orphansInStorage(), []);
}

/** What the program's DatabaseClone declares: the import of a finished clone. */
export async function importClone(cloneId: string): Promise<void> {
  const name = `clone-${cloneId}`;
  await apply(identity("program"), {
    apiVersion: "snapshot.storage.k8s.io/v1",
    kind: "VolumeSnapshot",
    metadata: { name, namespace: staging, labels: labelsOf(cloneId, "import") },
    spec: { source: { volumeSnapshotContentName: `bookkeeper-clq-${cloneId}-masked` } },
  } as object);
  const ref: Ref<"VolumeSnapshot"> = { kind: "VolumeSnapshot", namespace: staging, name };
  await waitFor(context, ref, deadlineIn(30), "ready", (found) =>
    found?.status?.readyToUse === true ? true : undefined,
  );
}

/** A claim as the program's DatabaseServer makes it of an import. */
export async function claimClone(cloneId: string): Promise<void> {
  const name = `database-${cloneId}`;
  await apply(identity("program"), {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, namespace: staging, labels: labelsOf(cloneId, "claim") },
    spec: {
      accessModes: ["ReadWriteOncePod"],
      resources: { requests: { storage: "1Gi" } },
      dataSource: {
        apiGroup: "snapshot.storage.k8s.io",
        kind: "VolumeSnapshot",
        name: `clone-${cloneId}`,
      },
    },
  } as object);
}

const server = { kind: "StatefulSet", namespace: staging, name: "database" } as const;

/** What tells that a clone is in use: a server whose pods have its data, if there were any. */
export async function declareServer(cloneId: string): Promise<void> {
  const labels = { "app.kubernetes.io/name": server.name };
  await apply(identity("program"), {
    apiVersion: "apps/v1",
    kind: server.kind,
    metadata: { name: server.name, namespace: staging },
    spec: {
      replicas: 0,
      serviceName: server.name,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: { ...labels, [dataLabel]: cloneId } },
        spec: { containers: [{ name: "postgres", image: serverImage }] },
      },
    },
  } as object);
}

export const removeServer = () => remove(context, server, deadlineIn(30));

/** Claims and snapshots of a namespace, by name: what outlives what it was made for. */
export async function volumesIn(namespace: string): Promise<string[]> {
  const found = await Promise.all([
    list(adminContext, "PersistentVolumeClaim", { namespace }),
    list(adminContext, "VolumeSnapshot", { namespace }),
  ]);
  return found
    .flat()
    .map(({ metadata }) => metadata?.name ?? "")
    .sort();
}

/** The import goes, and with it what keeps the clone. */
export const removeImport = (cloneId: string) =>
  remove(
    context,
    { kind: "VolumeSnapshot", namespace: staging, name: `clone-${cloneId}` },
    deadlineIn(30),
  );
