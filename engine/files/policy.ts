import path from "node:path";
import type * as z from "zod";
import { UserError } from "../../userError";
import { readYaml } from "../../yamlShape";
import { excerpt } from "../sql/sourceText";
import { shapes } from "./lateShapes";
import { readTextIfThere } from "./readText";
import type { policyShape } from "./shapes";

export const policyFile = "policy.yaml";

/** What migrations/policy.yaml allows. */
export type Policy = Required<z.output<typeof policyShape>>;

/** Without the file, or a key of it. */
const defaultPolicy: Policy = { lateFiles: "refuse" };

/**
 * Reads the policy of a migrations folder.
 * @throws UserError with every mistake at its place
 */
export function readPolicy(folder: string): Policy {
  const shownPath = path.join(folder, policyFile);
  const text = readTextIfThere(shownPath);
  if (text === undefined) return defaultPolicy;
  const { value, mistakes } = readYaml(text, () => shapes().policyShape);
  if (value) return { ...defaultPolicy, ...value };
  throw new UserError(
    `${shownPath} is not a policy.`,
    mistakes.flatMap(({ message, offset }) => [message, ...excerpt({ shownPath, text }, offset)]),
    `correct ${shownPath}`,
  );
}
