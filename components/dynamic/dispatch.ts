import { UserError } from "../../userError";
import { type Kind, kinds } from "./kinds";
import { leaveWithEngine } from "./leaveWithEngine";
import type { DeclaredKind, ResourceKind } from "./resourceKind";

/**
 * Raised when the outputs of a kind change shape: today's code reads the state that earlier code
 * wrote, and tells by this number which.
 */
const stateVersion = 1;

leaveWithEngine();

/** What Pulumi's engine asks of a dynamic resource. */
export type Method = "check" | "diff" | "create" | "update" | "read" | "delete";

type Properties = Record<string, unknown>;

/**
 * Runs one call of Pulumi's engine with today's code: all that the serialised stub does.
 * @throws UserError when dist/ was built from other sources; refresh and destroy do not run the
 *   program, so nothing else would rebuild it
 */
export async function dispatch(kind: Kind, method: Method, args: unknown[]): Promise<unknown> {
  try {
    ensureCurrentBuild();
    return toPlain(await run(kind, method, args as Properties[]));
  } catch (error) {
    // Pulumi prints an error's stack beside its message; a person needs the message alone.
    if (error instanceof UserError) error.stack = "";
    throw error;
  }
}

async function run(kind: Kind, method: Method, args: Properties[]): Promise<unknown> {
  // What arrives is text that Pulumi stored; `inputs` says what it is made of.
  const {
    inputs: names,
    ignored,
    isChecked,
    isRemoved,
    replacing,
    load,
  } = kinds[kind] as unknown as DeclaredKind<Properties, Properties>;
  const [first = {}, second = {}, third = {}] = args;
  switch (method) {
    case "check": {
      const inputs = pick(second, names);
      const previous = Object.keys(first).length > 0 ? pick(first, names) : undefined;
      if (!isChecked?.(inputs, previous)) return { inputs };
      return { inputs, failures: await failuresOf((await load()).check?.(inputs)) };
    }
    case "diff": {
      const compared = names.filter((name) => !ignored?.includes(name));
      return {
        changes: isChanged(compared, second, third),
        replaces: (replacing ?? []).filter((name) => differ(second[name], third[name])),
      };
    }
    case "create": {
      const resource = await load();
      const inputs = pick(first, names);
      return { id: resource.identify(inputs), outs: await reconcile(resource, inputs) };
    }
    case "update":
      return { outs: await reconcile(await load(), pick(third, names)) };
    case "read": {
      const inputs = pick(second, names);
      const found = await (await load()).read(inputs);
      if (!found) return { id: "", props: {} };
      return { id: first, props: { ...second, ...found, stateVersion }, inputs };
    }
    case "delete":
      // What only stands for data is forgotten when it is no longer declared, never undone.
      if (isRemoved) await (await load()).remove?.(pick(second, names));
      return {};
  }
}

/** A refusal as Pulumi shows it once; what is thrown in a check it shows twice. */
async function failuresOf(check: Promise<void> | undefined) {
  try {
    await check;
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [{ property: "", reason: error.message }];
  }
}

async function reconcile(resource: ResourceKind<Properties, Properties>, inputs: Properties) {
  return { ...inputs, ...(await resource.reconcile(inputs)), stateVersion };
}

/**
 * Compares what is declared, never the provider's text. Drift found by a refresh is a change too,
 * and so is what an earlier `up` had to leave waiting, or has put off to a day that has come.
 */
function isChanged(names: readonly string[], olds: Properties, news: Properties): boolean {
  const isOpen = [olds.drift, olds.waiting].some((list) => Array.isArray(list) && list.length > 0);
  const { dropsAfter } = olds;
  const isDue = typeof dropsAfter === "string" && Date.parse(dropsAfter) <= Date.now();
  return isOpen || isDue || differ(pick(olds, names), pick(news, names));
}

function differ(one: unknown, other: unknown): boolean {
  return canonical(one) !== canonical(other);
}

function pick(properties: Properties, names: readonly string[]): Properties {
  return Object.fromEntries(names.map((name) => [name, properties[name]]));
}

/** JSON with sorted keys: equal texts for equal values. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/**
 * Only what protobuf can carry: undefined, bigint, Date and Buffer would throw after the SQL has
 * run, and the resource would be lost.
 */
function toPlain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, part: unknown) =>
      typeof part === "bigint" ? part.toString() : part,
    ),
  );
}

let isCurrent: boolean | undefined;

/** Once a process: what it has loaded stays, and reading all sources takes longer than most calls. */
function ensureCurrentBuild(): void {
  const build = require("../../../build.js") as { isBuilt: () => boolean };
  isCurrent ??= build.isBuilt();
  if (isCurrent) return;
  throw new UserError(
    "The program's build is older than its sources.",
    ["Refresh and destroy run the build as it is."],
    "npm run build",
  );
}
