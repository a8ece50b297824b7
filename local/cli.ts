import { errorText, UserError } from "../userError";
import { check } from "./check";
import { CommandError } from "./command";
import { clean, down } from "./down";
import { choose, shellExports, variables, type Choice } from "./environment";
import { browserPackages, ensurePackages } from "./machine";
import { cachePaths, cacheRoot, type CachePaths } from "./paths";
import { describeStatus } from "./status";
import { buildImages, up } from "./up";

type Command = (paths: CachePaths, choice: Choice, args: readonly string[]) => Promise<void>;

const commands: Readonly<Record<string, Command>> = {
  up: async (paths, choice) => {
    await up(paths, choice);
  },
  down: (paths) => down(paths),
  clean: (paths, _, args) => clean(paths, args.includes("--all")),
  status: async (paths) => {
    console.log(await describeStatus(paths));
  },
  env: (paths, choice) => {
    console.log(shellExports(variables(paths, choice, process.env)));
    return Promise.resolve();
  },
  check: (paths, choice) => check(paths, choice),
  images: (paths) => buildImages(paths),
  browser: () => ensurePackages(browserPackages),
};

async function main(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  const command = Object.entries(commands).find(([known]) => known === name)?.[1];
  if (command === undefined) {
    throw new UserError(
      name === undefined ? "No command given." : `Unknown command: ${name}`,
      [`commands: ${Object.keys(commands).join(", ")}`],
      "make help",
    );
  }
  // What is built must not depend on the caller's mask: images are read by other users.
  process.umask(0o022);
  const paths = cachePaths(cacheRoot(process.env));
  await command(paths, choose(paths, process.env), rest);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  // A person gets words. The trace is for whoever asks for it.
  const known = error instanceof UserError || error instanceof CommandError;
  const trace = !known || process.env.STATEFUL_CD_TRACE === "1";
  const text = errorText(error);
  console.error(trace && error instanceof Error ? (error.stack ?? text) : text);
  process.exitCode = 1;
});
