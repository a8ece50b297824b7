import { errorText } from "../../userError";
import { findLeftovers, type Patience } from "./leftovers";

export interface SweepOptions extends Patience {
  readonly report: (line: string) => void;
}

const passes = 2;

/**
 * Finds what dead runs and forgotten clones have left and removes it: workloads, claims, snapshots,
 * contents, namespaces, waiting for absence at each. What a living run has, a clone that a server runs
 * on, and a finished one that somebody may still come for, stay.
 * @returns what is still there
 */
export async function sweep(options: SweepOptions): Promise<string[]> {
  let left = await findLeftovers(options);
  // What a quarantine owned shows only once it is gone, so there is a second look.
  for (let pass = 0; left.length > 0 && pass < passes; pass++) {
    for (const { what, remove } of left) {
      options.report(`removing ${what}`);
      try {
        await remove();
      } catch (error) {
        options.report(errorText(error));
      }
    }
    left = await findLeftovers(options);
  }
  return left.map(({ what }) => what);
}
