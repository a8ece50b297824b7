import type { Client } from "pg";
import { type DatabaseAddress, nameOf } from "../../kube/postgres";
import { readDeclarations } from "./integrityDeclarations";
import { checkIntegrity, type IntegrityReport } from "./integrityRun";
import { reportProgress } from "./progress";
import type { ResourceKind } from "./resourceKind";
import { withDatabase } from "./schema";

export interface IntegrityChecksInputs {
  /** A copy of the same data that no migration has touched; absent where there is none. */
  readonly control?: DatabaseAddress;
  /** What the migrations were applied to. */
  readonly database: DatabaseAddress;
  /** Folder of the migrations, relative to the project. */
  readonly folder: string;
  /** The last migration that was applied. */
  readonly through: string;
  /** The digest of what the migrations declare to change in the data. */
  readonly declarations: string;
  /** What passes the checks. */
  readonly schemaVersion: string;
  /** Names the clone that both databases come from: another clone is checked anew. */
  readonly cloneId?: string;
  /** Seconds to wait for a starting server. */
  readonly deadlineSeconds: number;
}

export interface IntegrityChecksOutputs extends IntegrityReport {
  /** The schema's version, there only once it has passed. */
  readonly verifiedVersion: string;
}

/** The checks of one database; see checkIntegrity. */
export const integrityChecks: ResourceKind<
  IntegrityChecksInputs,
  Partial<IntegrityChecksOutputs>
> = {
  identify: ({ database }) => `${nameOf(database)}/integrity`,
  async reconcile({ control, database, folder, through, schemaVersion, deadlineSeconds }) {
    const declarations = readDeclarations(folder, through);
    const report = reportProgress(nameOf(database));
    const within = <T>(address: DatabaseAddress, work: (client: Client) => Promise<T>) =>
      withDatabase({ database: address, deadlineSeconds }, work);
    const checked = await within(database, (client) => {
      const candidate = { name: nameOf(database), client };
      if (control === undefined) return checkIntegrity(candidate, undefined, declarations, report);
      return within(control, (other) =>
        checkIntegrity(candidate, { name: nameOf(control), client: other }, declarations, report),
      );
    });
    for (const line of checked.findings) report(`not new, but wrong: ${line}`);
    report(`integrity checked: ${checked.rows} rows of ${checked.tables} tables compared`);
    return { ...checked, verifiedVersion: schemaVersion };
  },
  // What passed has passed; drift of the schema is SchemaHistory's to find.
  read: () => Promise.resolve({}),
};
