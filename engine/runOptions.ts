import type { Deadlines } from "./journal/fileContext";
import type { Migration } from "./files/migration";
import type { OnProgress } from "./progress";
import type { Connect } from "./session/session";

/** What every command that writes may be told. */
export interface RunOptions {
  /** Gives a fresh connected session of the role that owns the schema; called twice, and once more a worker of a backfill. */
  readonly connect: Connect;
  /** ALL migrations of the folder: the journal is compared with all. */
  readonly migrations: readonly Migration[];
  /**
   * A stable name of this database, like `bookkeeper-prod/bookkeeper`. A journal that carries
   * another name is recognised as a copy of that other database's.
   */
  readonly target?: string;
  readonly applicationName?: string;
  readonly onProgress?: OnProgress;
  /** How long to wait for another run to end; 60 s. */
  readonly lockDeadlineSeconds?: number;
  /** How long a transaction may try to get its table locks; 60 s. */
  readonly tableLockDeadlineSeconds?: number;
  /** How long one statement that runs alone may take, like an index build; 4 hours. */
  readonly buildDeadlineSeconds?: number;
  /** How long others may have to queue behind locks of one table in an hour; 1,000. */
  readonly stallBudgetMilliseconds?: number;
}

export function deadlinesOf(options: RunOptions): Deadlines {
  const { stallBudgetMilliseconds: stallMilliseconds } = options;
  return {
    lockSeconds: options.tableLockDeadlineSeconds ?? 60,
    buildSeconds: options.buildDeadlineSeconds ?? 4 * 3600,
    ...(stallMilliseconds === undefined ? {} : { stallMilliseconds }),
  };
}
