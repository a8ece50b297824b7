import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { UserError } from "../../userError";
import { excerpt } from "../sql/sourceText";

export const policyFile = "policy.yaml";

/** What migrations/policy.yaml allows; without the file, its defaults hold. */
const shape = z.strictObject({
  /**
   * A migration whose number is below one that is applied already: refused, or applied where its
   * objects are disjoint from those of all that were applied after it.
   */
  lateFiles: z.enum(["refuse", "disjoint"]).default("refuse"),
});

export type Policy = z.output<typeof shape>;

/**
 * Reads the policy of a migrations folder.
 * @throws UserError with every mistake at its place
 */
export async function readPolicy(folder: string): Promise<Policy> {
  const shownPath = path.join(folder, policyFile);
  let text: string;
  try {
    text = await readFile(shownPath, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return shape.parse({});
    throw error;
  }
  const source = { shownPath, text };
  const refuse = (details: string[]): UserError =>
    new UserError(`${shownPath} is not a policy.`, details, `correct ${shownPath}`);
  const document = parseDocument(text, { prettyErrors: false });
  const [mistake] = document.errors;
  if (mistake !== undefined) throw refuse([mistake.message, ...excerpt(source, mistake.pos[0])]);
  const result = shape.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  throw refuse(
    result.error.issues.flatMap((issue) => {
      const node = document.getIn(issue.path, true) as { range?: [number] } | undefined;
      const problem = [issue.path.map(String).join("."), issue.message].filter(
        (part) => part !== "",
      );
      return [problem.join(": "), ...excerpt(source, node?.range?.[0] ?? 0)];
    }),
  );
}
