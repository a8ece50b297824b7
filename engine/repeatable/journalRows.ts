import type { Client } from "pg";
import type { Repeatable } from "../files/repeatable";
import type { OrderedRepeatable } from "../files/repeatableOrder";
import {
  type AppliedRepeatable,
  nameOfRecorded,
  type RecordedObject,
  recordedObject,
} from "../journal/repeatables";
import { addressesOf, nameOfDefinition } from "../schema/objectAddresses";
import { readObjects } from "../schema/objectFacts";
import { withStated } from "./stated";

/** What the journal is to know of a file that has just run. */
interface RepeatableRow {
  readonly file: Repeatable;
  readonly objects: readonly RecordedObject[];
  readonly leftOver: readonly RecordedObject[];
}

/** In the transaction that has run them, when all have: a later one may have changed an earlier one's. */
export async function rowsOf(
  client: Client,
  files: readonly OrderedRepeatable[],
  applied: ReadonlyMap<string, AppliedRepeatable>,
): Promise<RepeatableRow[]> {
  const rows: RepeatableRow[] = [];
  for (const one of files) {
    const { file, definitions } = one;
    const names = [...definitions.values()].map(nameOfDefinition);
    const made = await readObjects(client, await addressesOf(client, names));
    const objects = (await withStated(client, one, made)).map(recordedObject);
    const { objects: earlier = [], leftOver = [] } = applied.get(file.path) ?? {};
    const dropped = [...earlier, ...leftOver].filter(
      ({ object }) => !objects.some((other) => other.object === object),
    );
    const there = await addressesOf(client, dropped.map(nameOfRecorded));
    const names_ = new Set((await readObjects(client, there)).map(({ object }) => object));
    rows.push({ file, objects, leftOver: dropped.filter(({ object }) => names_.has(object)) });
  }
  return rows;
}
