import type { Run, StepKey } from "./journalWriter";
import type { Migration, MigrationFile } from "../files/migration";
import type { OnProgress } from "../progress";
import type { RunLock } from "../session/runLock";
import type { Connect } from "../session/session";
import type { Segment } from "../sql/segments";

/** How long a run waits for others, in seconds. */
export interface Deadlines {
  /** For table locks of one transaction, all attempts together. */
  readonly lockSeconds: number;
  /** For one statement that runs alone, like an index build. */
  readonly buildSeconds: number;
  /** How long others may have to queue behind locks of one table in an hour, in milliseconds; 1,000. */
  readonly stallMilliseconds?: number;
}

/** What all work of a run needs. */
export interface RunContext {
  readonly run: Run;
  readonly lock: RunLock;
  /** For workers that need a session of their own. */
  readonly connect: Connect;
  readonly onProgress: OnProgress;
  readonly deadlines: Deadlines;
}

/** Work that waits for locks: on a migration, or on a file of repeatable/, whose path is its id. */
export interface LockingRun extends RunContext {
  readonly migration: Pick<Migration, "id">;
}

/** Everything that work on one migration needs. */
export interface MigrationRun extends RunContext {
  readonly migration: Migration;
}

/** The same for one of its files. */
export interface FileRun extends MigrationRun {
  readonly file: MigrationFile;
}

export function keyOf({ migration, file }: FileRun, segment: Segment): StepKey {
  const { first, last } = segment;
  const { phase } = file;
  return { migration: migration.id, phase, first, last, alone: segment.alone !== undefined };
}
