import { parseArgs } from "node:util";
import { errorText, UserError } from "../../userError";
import { currentContext } from "../client";
import { sweep } from "./sweep";

const usage = `Usage: npm run sweep -- [options]

Removes what dead runs and forgotten clones have left in the cluster: raw data, snapshots,
namespaces. What a living run has, and clones in use, stay.

Options
  --context CONTEXT    kubeconfig context (default: the current one)
  --grace SECONDS      how long a finished clone may wait for its import (default: 600)
  --help               this text

Exit status: 0 when nothing is left, 1 when something is, 2 for a wrong command line.`;

const defaultGraceSeconds = 600;

async function main(): Promise<number> {
  const { context, grace = String(defaultGraceSeconds), help } = readArguments();
  if (help === true) {
    console.log(usage);
    return 0;
  }
  if (!/^\d+$/.test(grace)) throw new UsageError(`--grace is not a number of seconds: ${grace}`);
  const left = await sweep({
    context: context ?? currentContext(),
    graceSeconds: Number(grace),
    report: (line) => {
      console.log(line);
    },
  });
  for (const what of left) console.error(`left: ${what}`);
  console.log(`sweep: ${left.length} left`);
  return left.length === 0 ? 0 : 1;
}

/** A mistake in the command line itself. */
class UsageError extends UserError {
  constructor(problem: string) {
    super(problem, [], "npm run sweep -- --help");
  }
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        context: { type: "string" },
        grace: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    const problem = error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error);
    throw new UsageError(problem);
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(errorText(error));
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
