import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, copyFileSync, existsSync, openSync, statSync, truncateSync } from "node:fs";
import path from "node:path";
import { type ProcessStatus } from "./clusterStatus";
import { prioritise } from "./priority";
import { probe, type ProbeIdentity } from "./probe";
import { type ProcessSpec } from "./processSpecs";

const firstDelay = 500;
const longestDelay = 10_000;
/** A process that ran this long had started well: its next crash counts as the first. */
const provenAfter = 60_000;
const probeEvery = 5000;
const failuresUntilFailing = 3;
const longestLog = 20 * 1024 ** 2;

export interface Surroundings {
  readonly logs: string;
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly identity: ProbeIdentity;
  isReady(name: string): boolean;
  onChange(): void;
}

/** One process kept alive: started when its predecessors are ready, probed, restarted with back-off. */
export class SupervisedProcess {
  private child: ChildProcess | undefined;
  private state: ProcessStatus["state"] = "waiting";
  private since = new Date();
  private problem: string | undefined;
  private restarts = 0;
  private delay = firstDelay;
  private nextLook = 0;
  private failures = 0;
  private stopping = false;

  constructor(
    readonly spec: ProcessSpec,
    private readonly around: Surroundings,
  ) {}

  get isReady(): boolean {
    return this.state === "ready" || this.state === "failing";
  }

  status(): ProcessStatus {
    const pid = this.child?.pid;
    return {
      name: this.spec.name,
      state: this.state,
      since: this.since.toISOString(),
      restarts: this.restarts,
      ...(pid === undefined ? {} : { pid }),
      ...(this.problem === undefined ? {} : { problem: this.problem }),
    };
  }

  /** Looks at the process once and does what is due. Called several times a second. */
  async look(now: number): Promise<void> {
    if (this.stopping || now < this.nextLook) return;
    if (this.child === undefined) {
      if (this.mayStart()) this.start();
      return;
    }
    const problem = await probe(this.spec.ready, this.around.identity);
    if (problem === undefined) {
      this.failures = 0;
      this.enter("ready");
      this.nextLook = now + probeEvery;
      this.shortenLog();
    } else if (this.isReady) {
      this.failures += 1;
      this.nextLook = now + probeEvery;
      if (this.failures >= failuresUntilFailing) this.enter("failing", problem);
    } else {
      this.enter("starting", problem);
    }
  }

  /** Asks the process to end, and ends it by force after `patience` milliseconds. */
  async stop(patience: number): Promise<void> {
    this.stopping = true;
    const child = this.child;
    if (child !== undefined) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      const force = setTimeout(() => child.kill("SIGKILL"), patience);
      await ended;
      clearTimeout(force);
    }
    this.enter("stopped");
  }

  private mayStart(): boolean {
    const { after, afterFile } = this.spec;
    return (
      after.every((name) => this.around.isReady(name)) &&
      (afterFile === undefined || existsSync(afterFile))
    );
  }

  private get log(): string {
    return path.join(this.around.logs, `${this.spec.name}.log`);
  }

  private start(): void {
    this.shortenLog();
    const [program, ...args] = this.spec.command;
    if (program === undefined) throw new Error(`${this.spec.name} has no command`);
    const output = openSync(this.log, "a", 0o600);
    const child = spawn(program, args, {
      cwd: this.around.cwd,
      env: this.around.environment,
      // A session of its own: a Ctrl-C meant for someone else never reaches it.
      detached: true,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    if (child.pid !== undefined && this.spec.niceness !== undefined) {
      prioritise(child.pid, this.spec.niceness);
    }
    const started = Date.now();
    let over = false;
    const onEnd = (reason: string) => {
      if (over) return;
      over = true;
      this.onEnd(reason, Date.now() - started);
    };
    child.on("error", (error) => {
      onEnd(error.message);
    });
    child.on("exit", (code, signal) => {
      onEnd(signal === null ? `ended with status ${code ?? "unknown"}` : `ended by ${signal}`);
    });
    this.child = child;
    this.failures = 0;
    this.enter("starting");
  }

  private onEnd(reason: string, lived: number): void {
    this.child = undefined;
    if (this.stopping) return;
    if (lived > provenAfter) this.delay = firstDelay;
    this.restarts += 1;
    this.nextLook = Date.now() + this.delay;
    this.delay = Math.min(this.delay * 2, longestDelay);
    this.enter("restarting", `${reason}; see ${this.log}`);
  }

  private enter(state: ProcessStatus["state"], problem?: string): void {
    if (state === this.state && problem === this.problem) return;
    if (state !== this.state) this.since = new Date();
    this.state = state;
    this.problem = problem;
    this.around.onChange();
  }

  /** Keeps one older log. The process appends, so a log emptied under it simply grows again. */
  private shortenLog(): void {
    if (!existsSync(this.log) || statSync(this.log).size < longestLog) return;
    copyFileSync(this.log, `${this.log}.1`);
    truncateSync(this.log);
  }
}
