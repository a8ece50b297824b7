import { readFile } from "node:fs/promises";
import path from "node:path";
import { repository } from "./paths";

/**
 * What stands beside the CLI for programs in JavaScript, by file name: the start of the language
 * host, the start of the dynamic provider, and what both load first.
 * @param folder where they will stand
 * @param languageHost the program built from the Go module
 */
export async function pulumiScripts(
  folder: string,
  languageHost: string,
): Promise<ReadonlyMap<string, string>> {
  const leanStart = path.join(folder, "leanStart.cjs");
  const source = path.join(repository, "local", "toolchain", "leanStart.cjs");
  return new Map([
    ["leanStart.cjs", await readFile(source, "utf8")],
    ["pulumi-language-nodejs", languageHostOf(languageHost, leanStart)],
    ["pulumi-resource-pulumi-nodejs", dynamicProviderOf(leanStart)],
  ]);
}

/**
 * The language host that there is as a Go module is older than the CLI and takes the options of
 * Pulumi.yaml as flags, which the CLI no longer gives it: without this one it loads TypeScript's
 * compiler before every run of a program that is JavaScript.
 */
const languageHostOf = (program: string, leanStart: string) => `#!/bin/sh
export NODE_OPTIONS="--require \\"${leanStart}\\" $NODE_OPTIONS"
exec '${program}' -typescript=false "$@"
`;

/**
 * Starts the dynamic provider of the very SDK that the program has installed, as Pulumi's own script
 * does, but in one process: that one boots Node twice.
 */
const dynamicProviderOf = (leanStart: string) => `#!/bin/sh
exec node --require '${leanStart}' -e 'const provider = require.resolve("@pulumi/pulumi/cmd/dynamic-provider");
process.argv.splice(1, 0, provider);
require(provider);' -- "$@"
`;
