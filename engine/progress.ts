/** What a run tells while it works; `message` is a line for a person, without the migration's name. */
export interface Progress {
  readonly event: "waiting" | "recognised" | "begun" | "statement" | "backfill" | "finished";
  readonly migration?: string;
  readonly message: string;
}

export type OnProgress = (progress: Progress) => void;
