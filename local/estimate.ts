/** A piece of work with the seconds it took on the reference machine. */
export interface Step {
  readonly referenceSeconds: number;
}

/** A piece of work that is over, with the seconds it took here. */
export interface FinishedStep extends Step {
  readonly seconds: number;
}

/** How many seconds of finished work count as much as the reference: a few quick steps prove little. */
const priorSeconds = 60;

/**
 * How many seconds are left: the reference durations, scaled by how this machine has done so far.
 * Before anything is measured the reference speaks alone. A running step that has outlived its share
 * shows in the scale, so the estimate grows instead of standing at zero.
 */
export function estimateSecondsLeft(
  finished: readonly FinishedStep[],
  running: Step & { readonly elapsed: number },
  waiting: readonly Step[],
): number {
  const reference = sum(finished.map((step) => step.referenceSeconds));
  const measured = sum(finished.map((step) => step.seconds));
  const finishedScale = (measured + priorSeconds) / (reference + priorSeconds);
  const expected = running.referenceSeconds * finishedScale;
  const late = expected > 0 && running.elapsed > expected ? running.elapsed / expected : 1;
  // A late step is taken to be at nine tenths: nobody knows, and "0 s left" would be a lie.
  const current = late > 1 ? running.elapsed / 9 : expected - running.elapsed;
  const rest = sum(waiting.map((step) => step.referenceSeconds)) * finishedScale * late;
  return Math.max(1, Math.round(current + rest));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Seconds for people: `45 s`, `3 min`, `1 h 05 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
