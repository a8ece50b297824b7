import * as pulumi from "@pulumi/pulumi";
import { loadBaseline, splitAtBaseline } from "../engine/baseline";
import { chainDigest, type Digest } from "../engine/files/digest";
import { loadMigrations, throughMigration } from "../engine/files/migrationFolder";
import { digestOfRepeatables, loadRepeatables } from "../engine/files/repeatableFolder";
import type { DatabaseAddress } from "../kube/postgres";
import type { RollbackRequest } from "../kube/rollback";
import { Migration, Repeatables, SchemaBaseline } from "./schemaParts";

/** The migrations of a release. */
export interface DeclaredHistory {
  /** Folder of the migrations, relative to the project. */
  readonly folder: string;
  /** The committed checkpoint: everything up to it is one resource. */
  readonly baseline?: DeclaredMigration | undefined;
  /** The migrations after it, in order, up to the release's last one. */
  readonly migrations: readonly (DeclaredMigration & { readonly isPlain: boolean })[];
  /**
   * Digest of the folder's repeatable files. They come after its last migration: undefined for a
   * release before that, and without any file.
   */
  readonly repeatables?: string | undefined;
}

export interface SchemaHistoryArgs extends DeclaredHistory {
  /** The server itself, as the role that owns the schema. */
  readonly database: pulumi.Input<DatabaseAddress>;
  /** Takes the snapshot to go back to: nothing is changed before it is there. */
  readonly rollbackPoint?: pulumi.Input<RollbackRequest> | undefined;
  /** sha256 over everything the release consists of: the journal notes that it was let in. */
  readonly releaseDigest: string;
  /** The clone that the database is, if it is one. */
  readonly cloneId?: string | undefined;
  /** Seconds to wait for a starting server, and for another run's lock. */
  readonly deadlineSeconds?: number;
}

/** What identifies a migration: its name and the checksum of its files. */
export interface DeclaredMigration {
  readonly id: string;
  readonly digest: Digest;
}

/**
 * Reads and checks the migrations that a release needs.
 * @throws UserError with every mistake in the folder
 */
export async function readHistory(release: {
  folder: string;
  last: string;
}): Promise<DeclaredHistory> {
  const { folder, last } = release;
  const all = await loadMigrations(folder);
  const migrations = throughMigration(all, last);
  const digest = digestOfRepeatables(await loadRepeatables(folder));
  const { baseline, later } = splitAtBaseline(migrations, loadBaseline(folder));
  const unit = baseline.at(-1);
  return {
    folder,
    baseline: unit && { id: unit.id, digest: chainDigest(baseline) },
    migrations: later.map(({ id, digest, kind }) => ({ id, digest, isPlain: kind === "plain" })),
    repeatables: migrations.length === all.length ? digest : undefined,
  };
}

const defaultDeadlineSeconds = 120;

/** The database's schema as an ordered list of migrations, one resource each. */
export class SchemaHistory extends pulumi.ComponentResource {
  /** The last migration, known once it is applied: what an application is declared with. */
  readonly version: pulumi.Output<string>;
  /** sha256 over the catalogue after the last migration. */
  readonly fingerprint: pulumi.Output<string>;

  constructor(name: string, args: SchemaHistoryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("stateful-cd:index:SchemaHistory", name, {}, opts);
    const database = pulumi.all([args.database, args.rollbackPoint]).apply(([address]) => address);
    const common = {
      database,
      folder: args.folder,
      rollbackPoint: args.rollbackPoint,
      cloneId: args.cloneId ?? "",
      deadlineSeconds: args.deadlineSeconds ?? defaultDeadlineSeconds,
    };
    const through = args.migrations.at(-1)?.id ?? args.baseline?.id ?? "";
    const preview = pulumi.runtime.isDryRun() ? { previewOf: args.database } : {};
    const baseline = new SchemaBaseline(
      `${name}-baseline`,
      {
        ...common,
        through: args.baseline?.id ?? "",
        digest: args.baseline?.digest ?? "",
        releaseDigest: args.releaseDigest,
        last: through,
        ...preview,
      },
      { parent: this, retainOnDelete: true },
    );
    let last: SchemaBaseline | Migration = baseline;
    for (const [index, { id, digest }] of args.migrations.entries()) {
      const ahead = aheadOf(args.migrations.slice(index));
      last = new Migration(
        `${name}-${id}`,
        { ...common, migration: id, digest, ...ahead, ...preview },
        { parent: this, retainOnDelete: true, dependsOn: last },
      );
    }
    this.version = last instanceof Migration ? last.migration : last.through;
    this.fingerprint = last.schemaFingerprint;
    if (args.repeatables !== undefined) {
      const repeatables = new Repeatables(
        `${name}-repeatable`,
        { ...common, through, digest: args.repeatables, ...preview },
        { parent: this, retainOnDelete: true, dependsOn: last },
      );
      this.version = repeatables.through;
      this.fingerprint = repeatables.schemaFingerprint;
    }
    this.registerOutputs({ version: this.version, fingerprint: this.fingerprint });
  }
}

/** Of a list of migrations, the plain ones that directly follow a first one that is plain. */
function aheadOf([first, ...rest]: DeclaredHistory["migrations"]) {
  const end = rest.findIndex(({ isPlain }) => !isPlain);
  const group = rest.slice(0, end < 0 ? undefined : end);
  const through = group.at(-1)?.id;
  if (through === undefined || !first?.isPlain) return {};
  return { ahead: { through, digest: chainDigest(group) } };
}
