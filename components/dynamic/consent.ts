import { UserError } from "../../userError";

/**
 * Nothing masks the data yet, so whoever clones must have said that they know.
 * @throws UserError that says what to set, and what it means
 */
export function requireConsent(allowUnmasked: boolean, where: string): void {
  if (allowUnmasked) return;
  throw new UserError(
    `A clone would show production's data as it is in ${where}.`,
    ["Masking is not there yet: names, addresses and prices of real people would be readable."],
    "set stateful-cd:clone allowUnmasked: true if everybody who can reach staging may see them",
  );
}
