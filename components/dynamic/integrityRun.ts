import type { Client } from "pg";
import { compareData, type Comparison } from "../../data/compare";
import { findSpentSequences } from "../../data/sequences";
import { inspectSchema, type Inspection } from "../../engine/inspect";
import { UserError } from "../../userError";
import { explained } from "./integrityErrors";
import type { Declarations } from "./integrityDeclarations";
import { ensureIntact } from "./integrityReport";

/** A connected session outside of any transaction, and how messages call its database. */
export interface NamedClient {
  readonly name: string;
  readonly client: Client;
}

/** What a passed check has seen. */
export interface IntegrityReport {
  /** How much of the control was compared; 0 without one. */
  readonly tables: number;
  readonly columns: number;
  readonly rows: number;
  /** What holds data and was not compared, a line each. */
  readonly notCompared: readonly string[];
  /** What the built-in checks found that the migrations have not done, a line each. */
  readonly findings: readonly string[];
  /** Of the control; empty without one. */
  readonly schemaFingerprintBefore: string;
  readonly schemaFingerprintAfter: string;
  readonly milliseconds: number;
}

interface Side {
  readonly inspection: Inspection;
  readonly builtIn: readonly string[];
}

/**
 * Checks a migrated database: against a control, when there is one, that no data has changed but
 * what the migrations between them declare; and by the built-in checks. Reads, writes nothing.
 * @throws UserError naming table, column, expected, got and keys of everything that is wrong
 */
export async function checkIntegrity(
  database: NamedClient,
  control: NamedClient | undefined,
  declarations: Declarations,
  report: (line: string) => void,
): Promise<IntegrityReport> {
  const start = performance.now();
  const after = await readSide(database, declarations);
  ensureMigrated(database.name, after.inspection);
  const before = control && (await readSide(control, declarations));
  const compared =
    control && before
      ? await compare(database, control, after, before, declarations, report)
      : { ...nothing, differences: [] };
  const known = before?.builtIn ?? after.builtIn;
  const builtIn = after.builtIn.filter((line) => !known.includes(line));
  const { differences, ...coverage } = compared;
  ensureIntact(database.name, control?.name, { differences, builtIn });
  return {
    ...coverage,
    findings: after.builtIn,
    schemaFingerprintBefore: before?.inspection.schemaFingerprint ?? "",
    schemaFingerprintAfter: after.inspection.schemaFingerprint,
    milliseconds: Math.round(performance.now() - start),
  };
}

const nothing = {
  tables: 0,
  columns: 0,
  rows: 0,
  notCompared: ["all data: there is no control to compare it with"],
};

async function readSide(
  { name, client }: NamedClient,
  { migrations }: Declarations,
): Promise<Side> {
  return explained(`Cannot check ${name}.`, async () => {
    const inspection = await inspectSchema(client, migrations);
    const builtIn = [
      ...inspection.invalidIndexes.map((index) => `invalid index ${index}`),
      ...inspection.unvalidatedConstraints.map((line) => `constraint not validated: ${line}`),
      ...(await findSpentSequences(client)),
    ];
    return { inspection, builtIn };
  });
}

const migrated = new Set(["verified", "rolled_out", "contracting", "done"]);

function ensureMigrated(database: string, { migrations }: Inspection): void {
  const unfinished = migrations.filter(({ state }) => !migrated.has(state));
  if (unfinished.length === 0) return;
  throw new UserError(
    `${database} cannot be checked: its migrations are not done.`,
    unfinished.map(({ id, state }) => `${id} is ${state}`),
    "pulumi up",
  );
}

async function compare(
  database: NamedClient,
  control: NamedClient,
  after: Side,
  before: Side,
  { declared }: Declarations,
  report: (line: string) => void,
): Promise<Comparison> {
  ensureSameOrigin(database.name, control.name, after.inspection, before.inspection);
  // What both have gone through alike has happened to the control too, and excuses nothing.
  const stateIn = (side: Side, id: string) =>
    side.inspection.migrations.find((migration) => migration.id === id)?.state;
  const between = declared.filter(
    ({ migration: id }) => stateIn(before, id) !== stateIn(after, id),
  );
  let reading = "";
  return explained(
    () => `Cannot compare ${reading || "the tables"} of ${database.name} and ${control.name}.`,
    () =>
      compareData(
        control.client,
        database.client,
        between.map(({ changes }) => changes),
        (table) => {
          reading = table;
          report(`comparing ${table}`);
        },
      ),
  );
}

/** Another database's rows would all differ, and nobody could tell why. */
function ensureSameOrigin(
  database: string,
  control: string,
  after: Inspection,
  before: Inspection,
): void {
  if (before.journal === undefined || before.journal.id === after.journal?.id) return;
  throw new UserError(
    `${control} is no control for ${database}: they are not copies of the same database.`,
    [`Their journals are ${before.journal.id} and ${after.journal?.id ?? "none"}.`],
    "declare both from the same snapshot",
  );
}
