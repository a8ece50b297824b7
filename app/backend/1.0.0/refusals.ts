import { Problem } from "../../service/1.0.0/problem";

export function noItem(): Problem {
  return new Problem(404, "No such item", "This item is not there any more.");
}

export function noSuchWarehouse(): Problem {
  return new Problem(404, "No such warehouse", "This warehouse is not there any more.");
}

/** @param field the field of the request that holds the location */
export function noWarehouse(field: string, location: string): Problem {
  return new Problem(400, "Bad request", `There is no warehouse "${location}".`, [
    { field, message: "must be the location of a warehouse" },
  ]);
}
