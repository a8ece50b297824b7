import type * as Shapes from "./shapes";

/**
 * What the files of a migrations folder must look like. Loading it, and Zod with it, takes a tenth of a
 * run that has nothing to do: it waits until there is a file to be looked at.
 */
export function shapes(): typeof Shapes {
  return require("./shapes") as typeof Shapes;
}
