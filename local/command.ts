import { spawn } from "node:child_process";

/** A program that ended badly, with the end of what it said. */
export class CommandError extends Error {
  constructor(
    readonly command: string,
    readonly status: string,
    /** The last lines of stderr, or of stdout where it kept silent there. */
    readonly lastWords: readonly string[],
  ) {
    super([`${command} ended with ${status}`, ...lastWords].join("\n  "));
    this.name = "CommandError";
  }
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Milliseconds after which the program is killed; none by default. */
  readonly timeout?: number;
}

/** Runs a program to its end and returns its stdout. Throws CommandError on any other status than 0. */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    timeout: options.timeout,
    killSignal: "SIGKILL",
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  // A program that ends without reading its input is judged by its status, not by the broken pipe.
  child.stdin.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") child.kill("SIGKILL");
  });
  child.stdin.end(options.input ?? "");
  const status = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve(signal === null ? `status ${code ?? "unknown"}` : `signal ${signal}`);
    });
  });
  const said = Buffer.concat(stdout).toString();
  if (status === "status 0") return said;
  const words = Buffer.concat(stderr).toString().trim() || said.trim();
  throw new CommandError([program, ...args].join(" "), status, words.split("\n").slice(-15));
}

/** Whether a program ran and ended with status 0; a program that cannot be started counts as no. */
export async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, args);
    return true;
  } catch (error) {
    if (error instanceof CommandError || isMissing(error)) return false;
    throw error;
  }
}

/**
 * Whether an error says that a file or a program does not exist; of a process that ends while its
 * files in /proc are read, the kernel says ESRCH.
 */
export function isMissing(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ENOENT" || error.code === "ESRCH";
}
