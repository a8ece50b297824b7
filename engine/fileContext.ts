import type { Run, StepKey } from "./journalWriter";
import type { Migration, MigrationFile } from "./migration";
import type { OnProgress } from "./progress";
import type { RunLock } from "./runLock";
import type { Segment } from "./segments";

/** How long a run waits for others, in seconds. */
export interface Deadlines {
  /** For table locks of one transaction, all attempts together. */
  readonly lockSeconds: number;
  /** For one statement that runs alone, like an index build. */
  readonly buildSeconds: number;
}

/** Everything that applying one file needs. */
export interface FileRun {
  readonly run: Run;
  readonly lock: RunLock;
  readonly migration: Migration;
  readonly file: MigrationFile;
  readonly onProgress: OnProgress;
  readonly deadlines: Deadlines;
}

export function keyOf({ migration, file }: FileRun, segment: Segment): StepKey {
  const { first, last } = segment;
  const { phase } = file;
  return { migration: migration.id, phase, first, last, alone: segment.alone !== undefined };
}
