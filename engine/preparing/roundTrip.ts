import type { Client } from "pg";
import { UserError } from "../../userError";
import { type ColumnSync, expressionsIn } from "../files/syncFile";
import type { MigrationFile } from "../files/migration";
import { withRolledBackTransaction } from "../session/transaction";
import { excerpt, printable } from "../sql/sourceText";
import type { SyncTable } from "../sync/syncTable";
import { correctionOf } from "./correction";
import { prepareTrial } from "./trial";

/** What an expression made of a value, and should not have. */
interface Failure {
  /** `forward.city`; of a way there and back the first of `reverse`. */
  readonly place: string;
  readonly kind: "raised" | "null" | "changed" | "unsettled";
  /** Where the value is from. */
  readonly origin: string;
  readonly given: string;
  /** What the other side was written as. */
  readonly written: string | null;
  readonly got: string;
}

/**
 * Tries the expressions on rows of the table and on values made up by type, before a trigger may
 * use them; leaves nothing behind.
 *
 * What must hold is what no audit can mend later:
 * - `forward` never raises, for it would fail the old release's write;
 * - `reverse` is never NULL where the new side is filled, and never raises;
 * - what `forward` makes of a row that is there, or of a plain value, comes back through `reverse`;
 * - what it makes of an awkward value settles: what `reverse` has written once comes back from then on.
 *
 * No more is asked of awkward values, and nothing of new values that no old value leads to: ' Ada'
 * split at its blank is a first name that nobody can put back, and sound expressions do that. The
 * trigger refuses such a new value, and the audit tells of such a row. `forward` may be NULL: that
 * is a row that does not convert, of which `rejects` decides.
 * @param client a session outside of any transaction
 * @throws UserError with one value for each way in which an expression is wrong
 */
export async function ensureRoundTrip(
  client: Client,
  { id, file }: { readonly id: string; readonly file: MigrationFile },
  sync: ColumnSync,
  table: SyncTable,
): Promise<void> {
  const failures = await withRolledBackTransaction(client, async () => {
    const query = await prepareTrial(client, sync, table);
    const { rows } = await client.query<Failure>(query);
    return rows;
  });
  const problems = failures.flatMap((failure) => {
    const expression = expressionsIn(file).find(({ key }) => key === failure.place);
    return [sentence(failure), ...excerpt(file, expression?.offset ?? 0), remedies[failure.kind]];
  });
  if (problems.length === 0) return;
  throw new UserError(
    `${file.shownPath} does not keep what is written; no trigger was added.`,
    problems,
    correctionOf(id, "correct the expressions or these rows"),
  );
}

function sentence({ place, kind, origin, given, written, got }: Failure): string {
  const value = `${shown(given)} (${origin})`;
  switch (kind) {
    case "raised":
      return `${place} fails for ${value}: ${printable(got)}.`;
    case "null":
      return `${place} is NULL for ${value}.`;
    case "changed":
      return `forward(reverse(x)) is not x for ${value}: written back as ${shown(written ?? "")}, it comes back as ${shown(got)}.`;
    case "unsettled":
      return `forward(reverse(x)) changes each time, last for ${value}: written back as ${shown(written ?? "")}, it comes back as ${shown(got)}.`;
  }
}

const remedies: Readonly<Record<Failure["kind"], string>> = {
  raised:
    "A release's write would fail. Make it NULL for what does not convert (CASE WHEN ... END), or rule such values out with a CHECK of the table.",
  null: "The old release needs a value: use concat_ws, coalesce or CASE, or rule such values out with a CHECK of the new columns.",
  changed: "The new release could not write such a row, and the contract would wait for ever.",
  unsettled: "A row would change each time somebody saves it.",
};

function shown(json: string): string {
  const line = printable(json);
  return line.length <= 200 ? line : `${line.slice(0, 199)}…`;
}
