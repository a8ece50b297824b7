const pollMilliseconds = 1_000;

/**
 * Ends the provider process when the engine that started it is gone. A kill -9 of the CLI leaves
 * its plugins running; Pulumi's provider process would then report its broken stdout to its broken
 * stderr for ever, and go on with work whose result nobody can store. The journal lets the next
 * run finish it.
 */
export function leaveWithEngine(): void {
  const engine = process.ppid;
  const leave = (): never => process.exit(1);
  process.stdout.on("error", leave);
  process.stderr.on("error", leave);
  setInterval(() => {
    if (process.ppid !== engine) leave();
  }, pollMilliseconds).unref();
}
