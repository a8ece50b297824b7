import path from "node:path";
import * as z from "zod";
import { UserError } from "../../userError";
import { readYaml } from "../../yamlShape";
import { excerpt } from "../sql/sourceText";
import { readTextIfThere } from "./readText";

export const policyFile = "policy.yaml";

/** What migrations/policy.yaml allows; without the file, its defaults hold. */
const shape = z.preprocess(
  // An empty file is as good as none.
  (content) => content ?? {},
  z.strictObject({
    /**
     * A migration whose number is below one that is applied already: refused, or applied where its
     * objects are disjoint from those of all that were applied after it.
     */
    lateFiles: z.enum(["refuse", "disjoint"]).default("refuse"),
  }),
);

export type Policy = z.output<typeof shape>;

/**
 * Reads the policy of a migrations folder.
 * @throws UserError with every mistake at its place
 */
export function readPolicy(folder: string): Policy {
  const shownPath = path.join(folder, policyFile);
  const text = readTextIfThere(shownPath) ?? "";
  const { value, mistakes } = readYaml(text, () => shape);
  if (value) return value;
  throw new UserError(
    `${shownPath} is not a policy.`,
    mistakes.flatMap(({ message, offset }) => [message, ...excerpt({ shownPath, text }, offset)]),
    `correct ${shownPath}`,
  );
}
