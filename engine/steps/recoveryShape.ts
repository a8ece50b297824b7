import type { Statement } from "../sql/parser";
import type { Session } from "../session/session";

/** `done`: the catalog shows it already. `unknown`: nothing can tell. */
export type Need = "act" | "done" | "unknown";

/** What tells whether a statement that runs alone has taken effect, and clears what it left. */
export interface Recovery {
  /** @param resumed whether an earlier run has started it and did not get to say how it ended */
  prepare(resumed: boolean): Promise<Need>;
  /** After it has failed: drops what it has left behind. */
  cleanUp(): Promise<void>;
  isDone(): Promise<boolean>;
}

export interface RecoveryContext {
  readonly session: Session;
  readonly statement: Statement;
  readonly deadlineSeconds: number;
  readonly wait: (message: string) => void;
}
