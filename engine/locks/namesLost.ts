import { madeBy } from "../sql/newRelations";
import type { Loss, StatementClass } from "./classification";

/** What a release that is still served may miss once a file has run. */
export interface LostName {
  readonly found: StatementClass;
  readonly loss: Loss;
}

/**
 * Names of before that are gone once all statements have run. A table of the same name that a later
 * statement makes, or a view, takes the place of the one before; a name that the file itself has
 * given on the way is nobody's loss.
 */
export function namesLost(classes: readonly StatementClass[]): LostName[] {
  return classes.flatMap((found, index) =>
    found.takenAway
      .filter(({ table }) => {
        if (table === undefined) return true;
        const isGiven = classes.slice(0, index).some((one) => newNameOf(one) === table.name);
        return !isGiven && !isMadeAgain(table, classes.slice(index + 1));
      })
      .map((loss) => ({ found, loss })),
  );
}

function isMadeAgain(
  { schema, name }: { readonly schema: string; readonly name: string },
  later: readonly StatementClass[],
): boolean {
  return later.some((one) => {
    const made = madeBy(one.statement.tree)?.name;
    if (newNameOf(one) === name) return true;
    return made?.name === name && (made.schema ?? schema) === schema;
  });
}

function newNameOf({ statement: { tree } }: StatementClass): string | undefined {
  if (!("RenameStmt" in tree) || tree.RenameStmt.renameType !== "OBJECT_TABLE") return undefined;
  return tree.RenameStmt.newname;
}

/** How the same is done so that no release misses it. */
export function wayOut({ how, table }: Loss): string {
  if (how === "drop") {
    return "drop it in contract.sql of a migration that is a folder, which runs once no old release is connected; its expand.sql may be SELECT 1";
  }
  return table === undefined
    ? "rename it by sync.yaml (kind: rename), under both names for a while"
    : "add CREATE VIEW of its old name to the file";
}
