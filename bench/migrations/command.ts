import { spawn } from "node:child_process";

/** How a migration tool is called. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Ended {
  /** null: it was killed. */
  readonly status: number | null;
  readonly milliseconds: number;
  /** What it said, both ways. */
  readonly output: string;
}

export interface Started {
  readonly ended: Promise<Ended>;
  /** kill -9 of the program and all that it has started. */
  kill(): void;
}

export function start({ program, args, cwd, env }: Command): Started {
  const begun = performance.now();
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  const listen = (text: Buffer): void => {
    output += text.toString();
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      resolve({ status, milliseconds: performance.now() - begun, output });
    });
  });
  return {
    ended,
    kill: () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    },
  };
}

/** @throws Error with the tool's own words when it fails */
export async function ensureOk(command: Command): Promise<Ended> {
  const ended = await start(command).ended;
  if (ended.status === 0) return ended;
  throw new Error(
    [
      `${command.program} ${command.args.join(" ")} ended with ${String(ended.status)}:`,
      ended.output,
    ]
      .join("\n")
      .replace(/:[^:@/]*@/g, ":***@"),
  );
}
