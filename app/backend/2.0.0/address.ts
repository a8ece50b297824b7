import * as z from "zod";
import { text } from "../1.0.0/input";
import { Problem } from "../../service/1.0.0/problem";
import type { Address } from "./formatAddress";

/** The most characters of a city: with ", TX" it makes a location of release 1.0.0, which may have 200. */
const longestCity = 196;

export const city = z.string("must be text").trim().pipe(text(longestCity));

export const state = z
  .string("must be two capital letters, such as TX")
  .regex(/^[A-Z]{2}$/, "must be two capital letters, such as TX")
  .nullable();

/**
 * Refuses a state without a city, and a city that holds its state: "Austin, TX" is Austin in TX.
 * @throws Problem 400
 */
export function ensureIsAddress({ city, state }: Address): void {
  if (city === null && state !== null) throw wrongCity("must be given");
  if (state === null && /,\s*[a-z]{2}$/i.test(city ?? "")) {
    throw wrongCity("must not hold the state, which is a field of its own");
  }
}

function wrongCity(message: string): Problem {
  return new Problem(400, "Bad request", `city ${message}.`, [{ field: "city", message }]);
}
