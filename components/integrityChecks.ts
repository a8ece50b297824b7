import type * as pulumi from "@pulumi/pulumi";
import type { DatabaseAddress } from "../kube/postgres";
import { readDeclarations } from "./dynamic/integrityDeclarations";
import { DynamicResource } from "./dynamic/stub";

export interface IntegrityChecksArgs extends DeclaredChecks {
  /**
   * A copy of the same data that no migration has touched. Without one, as in production, the
   * built-in checks run and report.
   */
  readonly control?: pulumi.Input<DatabaseAddress> | undefined;
  /** What the migrations were applied to, as the role that owns the schema. */
  readonly database: pulumi.Input<DatabaseAddress>;
  /** SchemaHistory's version: what is handed on once it has passed. */
  readonly schemaVersion: pulumi.Input<string>;
  /** Names the clone that both databases come from: another clone is checked anew. */
  readonly cloneId?: pulumi.Input<string> | undefined;
  /** Seconds to wait for a starting server. */
  readonly deadlineSeconds?: number;
}

/** What the migrations of a release say of the data they change. */
export interface DeclaredChecks {
  /** Folder of the migrations, relative to the project. */
  readonly folder: string;
  /** The release's last migration. */
  readonly through: string;
  /** The digest of all integrity.yaml. */
  readonly declarations: string;
}

/**
 * Reads and checks every integrity.yaml of a release.
 * @throws UserError with every mistake and its place
 */
export function readChecks(release: { folder: string; last: string }): DeclaredChecks {
  const { folder, last: through } = release;
  const { digest } = readDeclarations(folder, through);
  return { folder, through, declarations: digest };
}

const defaultDeadlineSeconds = 120;

/**
 * Evidence that a migrated database has kept its data: what a release is declared with. A failing
 * check has no version to hand on, so that nothing that waits for it is touched.
 */
export class IntegrityChecks extends DynamicResource {
  /** The schema's version, known only once it has passed. */
  declare readonly verifiedVersion: pulumi.Output<string>;
  /** How much of the control was compared; 0 without one. */
  declare readonly tables: pulumi.Output<number>;
  declare readonly columns: pulumi.Output<number>;
  declare readonly rows: pulumi.Output<number>;
  /** What holds data and was not compared, a line each. */
  declare readonly notCompared: pulumi.Output<string[]>;
  /** What is wrong without the migrations having done it, a line each. */
  declare readonly findings: pulumi.Output<string[]>;
  /** Of the control; empty without one. */
  declare readonly schemaFingerprintBefore: pulumi.Output<string>;
  declare readonly schemaFingerprintAfter: pulumi.Output<string>;
  /** What the checks took. */
  declare readonly milliseconds: pulumi.Output<number>;

  constructor(name: string, args: IntegrityChecksArgs, opts?: pulumi.CustomResourceOptions) {
    const inputs = { deadlineSeconds: defaultDeadlineSeconds, ...args };
    super("integrityChecks", name, inputs, outputs, { ...opts, retainOnDelete: true });
  }
}

const outputs = [
  "verifiedVersion",
  "tables",
  "columns",
  "rows",
  "notCompared",
  "findings",
  "schemaFingerprintBefore",
  "schemaFingerprintAfter",
  "milliseconds",
] as const;
