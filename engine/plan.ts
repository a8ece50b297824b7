import type { Client } from "pg";
import { UserError } from "../userError";
import { ensureSameHistory } from "./journal/history";
import { isSettled, type Journal, type MigrationState, readJournal } from "./journal/journal";
import { ensureNotKept } from "./journal/openContracts";
import type { Migration, MigrationFile } from "./files/migration";
import { effectLines } from "./locks/effects";
import { ensureHarmless, type FilePlan, planFile } from "./locks/filePlan";
import { NewRelations } from "./sql/newRelations";
import type { Statement } from "./sql/parser";
import { throughMigration } from "./files/migrationFolder";
import type { Repeatable } from "./files/repeatable";
import { ensureNamesKnown } from "./preparing/ensureNamesKnown";
import { ensureEndable, planEndings, type PlannedEnding } from "./planEndings";
import { planRepeatables, type PlannedRepeatable } from "./planRepeatables";
import { type PlannedStatement, plannedStatements } from "./plannedStatement";
import type { LeftOver } from "./repeatable/standing";
import { laterSteps } from "./sync/laterSteps";
import { statementsOf } from "./files/migrationStatements";
import { readFacts } from "./session/session";
import { ensureRunnable } from "./ensureRunnable";
import { withReadOnlyTransaction, withRolledBackSavepoint } from "./session/transaction";

/** What a run would do now. */
export interface Plan {
  readonly journal?: { readonly id: string; readonly version: number; readonly epoch: string };
  readonly migrations: readonly PlannedMigration[];
  /** The files of repeatable/, which come after the last migration. */
  readonly repeatables: readonly PlannedRepeatable[];
  /** What no repeatable file makes any more. It is never dropped by itself. */
  readonly leftOver: readonly LeftOver[];
  /** Why a run would refuse, each complete as it stands; empty when it would begin. */
  readonly refusals: readonly string[];
}

export interface PlannedMigration {
  readonly id: string;
  readonly kind: "plain" | "phased";
  readonly digest: string;
  readonly state: MigrationState;
  /** Why it is blocked. */
  readonly reason?: string;
  /** What is still to run; empty when it is settled. */
  readonly statements: readonly PlannedStatement[];
  /** What comes after the statements, for people: columns kept in step, rows filled, the contract. */
  readonly later: readonly string[];
}

/**
 * Tells what a run would do, without writing or locking anything. Works on an empty database.
 * @param client a connected session; it is left outside of any transaction
 * @param repeatables all of the folder; those of a run that does not reach the last migration stay
 * @throws UserError only for a database that cannot be read; what a run would refuse is in the plan
 */
export function planMigrations(
  client: Client,
  migrations: readonly Migration[],
  through?: string,
  repeatables: readonly Repeatable[] = [],
): Promise<Plan> {
  return withReadOnlyTransaction(client, async () => {
    const { journalExists } = await readFacts(client);
    const journal = journalExists ? await readJournal(client) : undefined;
    const refusals: string[] = [];
    const unless = async (ensure: () => unknown): Promise<void> => {
      try {
        await ensure();
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        refusals.push(error.message);
      }
    };
    let wanted = [...migrations];
    await unless(() => {
      if (through !== undefined) wanted = throughMigration(migrations, through);
    });
    await unless(() => ensureSameHistory(client, migrations, journal));
    const pending = wanted.filter(({ id }) => !isSettled(stateOf(journal, id)));
    await unless(() => ensureRunnable(pending));
    await unless(() => ensureNamesKnown(client, pending));
    await unless(() => ensureNotKept(pending, migrations, journal));
    const planned: PlannedMigration[] = [];
    const newRelations = new NewRelations();
    for (const migration of wanted) {
      const work = await expandWork(client, migration, journal, newRelations);
      const state = stateOf(journal, migration.id);
      const endings = state === "done" ? [] : await endingsOf(client, migration, newRelations);
      await unless(() => {
        if (work === undefined) return;
        ensureHarmless(migration.id, work.file, work.plan);
        ensureEndable(migration, endings);
      });
      planned.push(await planMigration(client, migration, journal, work, endings));
    }
    const isWhole = wanted.length === migrations.length;
    const after = await planRepeatables(client, isWhole ? repeatables : [], journal, newRelations);
    refusals.push(...after.refusals);
    return {
      ...(journal && {
        journal: { id: journal.id, version: journal.version, epoch: journal.epoch },
      }),
      migrations: planned,
      repeatables: after.repeatables,
      leftOver: isWhole ? after.leftOver : [],
      refusals,
    };
  });
}

function stateOf(journal: Journal | undefined, id: string): MigrationState {
  return journal?.migrations.get(id)?.state ?? "pending";
}

async function planMigration(
  client: Client,
  migration: Migration,
  journal: Journal | undefined,
  work: ExpandWork | undefined,
  endings: readonly PlannedEnding[],
): Promise<PlannedMigration> {
  const { id, kind, digest } = migration;
  const reason = journal?.migrations.get(id)?.reason;
  const contract = endings.filter(({ file }) => file.phase === "contract");
  return {
    id,
    kind,
    digest,
    state: stateOf(journal, id),
    ...(reason === undefined || reason === null ? {} : { reason }),
    statements: work === undefined ? [] : plannedStatements(work.file, work.statements, work.plan),
    later: [
      ...(await laterSteps(client, migration, stateOf(journal, id))),
      ...contract.flatMap(({ file, statements, plan }) =>
        plannedStatements(file, statements, plan).flatMap(({ place, head, effects }) => [
          `          ${place}  ${head}`,
          ...effectLines(effects).map((line) => `            ${line}`),
        ]),
      ),
    ],
  };
}

function endingsOf(
  client: Client,
  migration: Migration,
  newRelations: NewRelations,
): Promise<PlannedEnding[]> {
  return planEndings(client, migration, newRelations, withRolledBackSavepoint);
}

interface ExpandWork {
  readonly file: MigrationFile;
  readonly statements: readonly Statement[];
  readonly plan: FilePlan;
}

/** What is left of expand.sql, or of a plain file; undefined when nothing is. */
async function expandWork(
  client: Client,
  migration: Migration,
  journal: Journal | undefined,
  newRelations: NewRelations,
): Promise<ExpandWork | undefined> {
  const state = stateOf(journal, migration.id);
  const file = migration.files.find(({ phase }) => phase === "expand");
  const isOpen = state === "pending" || state === "expanding" || state === "aborted";
  if (!isOpen || file === undefined) return undefined;
  const steps = journal?.migrations.get(migration.id)?.steps ?? [];
  const done = steps.filter((step) => step.phase === "expand" && step.state === "done");
  const doneThrough = Math.max(0, ...done.map((step) => step.lastStatement));
  const statements = (await statementsOf(file)).slice(doneThrough);
  const plan = await planFile(client, file, statements, newRelations, withRolledBackSavepoint);
  return { file, statements, plan };
}
