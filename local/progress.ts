import { estimateSecondsLeft, formatDuration, type FinishedStep, type Step } from "./estimate";

/** A long piece of work that people watch. */
export interface WatchedStep<T> extends Step {
  readonly label: string;
  work(): Promise<T>;
}

/**
 * Runs steps one after the other and says which one, for how long, and what is left. On a terminal
 * the line rewrites itself each second; in a log it appears every 30 seconds.
 */
export async function runWithProgress(steps: readonly WatchedStep<void>[]): Promise<void> {
  const finished: FinishedStep[] = [];
  for (const [index, step] of steps.entries()) {
    const started = Date.now();
    const elapsed = () => (Date.now() - started) / 1000;
    const show = () => {
      const left = estimateSecondsLeft(
        finished,
        { referenceSeconds: step.referenceSeconds, elapsed: elapsed() },
        steps.slice(index + 1),
      );
      const line = `  [${index + 1}/${steps.length}] ${step.label}, ${formatDuration(elapsed())}; about ${formatDuration(left)} left`;
      process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
    };
    show();
    const timer = setInterval(show, process.stdout.isTTY ? 1000 : 30_000);
    try {
      await step.work();
    } finally {
      clearInterval(timer);
      if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
    }
    finished.push({ referenceSeconds: step.referenceSeconds, seconds: elapsed() });
    console.log(
      `  [${index + 1}/${steps.length}] ${step.label}: done in ${formatDuration(elapsed())}`,
    );
  }
}
