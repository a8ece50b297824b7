import type { Ref } from "../objects";

/** What a clone is made of and for, in names alone: it may stand in Pulumi's state. */
export interface CloneRequest {
  /** kubeconfig context */
  readonly context: string;
  /** Names the clone; the same id is the same clone (components/databaseClone.ts). */
  readonly cloneId: string;
  /** The user who gets the namespace role in the quarantine; left out where it has it anyway. */
  readonly deployer?: string;
  readonly source: {
    readonly namespace: string;
    readonly claim: string;
    /** Image of the server whose data it is: it opens the clone. */
    readonly serverImage: string;
  };
  /** The namespace that raw data lives in for a while; made and removed by the clone. */
  readonly quarantine: string;
  readonly target: {
    readonly namespace: string;
    /** Which role gets the password under which key of which Secret of the target's namespace. */
    readonly passwords: readonly RolePassword[];
    /** Size of the volumes that are made from it, e.g. 4Gi. */
    readonly storage: string;
  };
  /** Roles with a login or a password whose name begins so are dropped; empty drops none. */
  readonly loginRolesToDrop: string;
  readonly snapshotClass?: string;
  readonly storageClass?: string;
  /** Seconds that each step may take. */
  readonly deadlineSeconds: number;
}

export interface RolePassword {
  readonly role: string;
  readonly secret: string;
  readonly key: string;
}

/** All that undoing needs: a process that knows nothing else can clear a clone away. */
export interface CloneIdentity {
  readonly context: string;
  readonly cloneId: string;
  readonly sourceNamespace: string;
  readonly quarantine: string;
  readonly deployer?: string;
}

export function identityOf(request: CloneRequest): CloneIdentity {
  const { context, cloneId, source, quarantine, deployer } = request;
  const identity = { context, cloneId, sourceNamespace: source.namespace, quarantine };
  return deployer === undefined ? identity : { ...identity, deployer };
}

/** Label of everything that belongs to a clone; its value is the clone id. */
export const cloneLabel = "stateful-cd/clone";
/** Label that says which part of a clone an object is. */
export const partLabel = "stateful-cd/part";

export type ClonePart = "quarantine" | "source" | "alias" | "raw" | "masked" | "import" | "claim";

export const annotations = {
  /** Of a quarantine: where its source is, and who works in it. */
  source: "stateful-cd/source-namespace",
  deployer: "stateful-cd/deployer",
  /** Of any other part: which quarantine it belongs to. */
  quarantine: "stateful-cd/quarantine",
  /** Of a quarantine: who is at work, and when that was last true. */
  run: "stateful-cd/run",
  alive: "stateful-cd/alive",
  /** Of the masked content: since when and until when raw data lay outside production. */
  rawSince: "stateful-cd/raw-since",
  rawUntil: "stateful-cd/raw-until",
  /** Of the masked content: since when it is whole and the snapshot's owner. */
  finished: "stateful-cd/finished",
} as const;

export function labelsOf(cloneId: string, part: ClonePart): Record<string, string> {
  return { [cloneLabel]: cloneId, [partLabel]: part, "app.kubernetes.io/part-of": "stateful-cd" };
}

/** The snapshot under which a clone is imported into the namespace it was made for. */
export function importNameOf(cloneId: string): string {
  return `clone-${cloneId}`;
}

/** The names of all parts: a run finds what an earlier one of the same clone has left. */
export function partsOf({ cloneId, sourceNamespace, quarantine }: CloneIdentity) {
  const inside = { namespace: quarantine };
  return {
    quarantine: { kind: "Namespace", name: quarantine },
    sourceSnapshot: {
      kind: "VolumeSnapshot",
      namespace: sourceNamespace,
      name: `clone-${cloneId}`,
    },
    alias: { kind: "VolumeSnapshot", name: "raw", ...inside },
    aliasContent: { kind: "VolumeSnapshotContent", name: `${quarantine}-raw` },
    rawClaim: { kind: "PersistentVolumeClaim", name: "raw", ...inside },
    verifiers: { kind: "Secret", name: "verifiers", ...inside },
    opening: { kind: "Job", name: "open", ...inside },
    maskedSnapshot: { kind: "VolumeSnapshot", name: "masked", ...inside },
    maskedContent: { kind: "VolumeSnapshotContent", name: `${quarantine}-masked` },
  } as const satisfies Record<string, Ref>;
}
