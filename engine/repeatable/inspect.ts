import type { Client } from "pg";
import type { Repeatable } from "../files/repeatable";
import { findJournal } from "../journal/journal";
import { withReadOnlyTransaction } from "../session/transaction";
import { standingsOf } from "./standing";

/** What there is to say of repeatable files, a line each. */
export interface RepeatableInspection {
  /** Where what they made is not what it was. */
  readonly drift: readonly string[];
  /** Files that this database does not know, or not with this text. */
  readonly unapplied: readonly string[];
  readonly leftOver: readonly string[];
}

/** @param client a connected session outside of any transaction */
export function inspectRepeatables(
  client: Client,
  files: readonly Repeatable[],
): Promise<RepeatableInspection> {
  return withReadOnlyTransaction(client, async () => {
    const standings = await standingsOf(client, files, await findJournal(client));
    return {
      drift: standings.files.flatMap(({ drift }) => drift),
      unapplied: standings.files
        .filter(({ state }) => state === "pending" || state === "changed")
        .map(({ file, state }) => `${file.path} is ${state}`),
      leftOver: standings.leftOver.map(
        ({ object, path, drop }) => `${object} of ${path} (a migration may ${drop})`,
      ),
    };
  });
}
