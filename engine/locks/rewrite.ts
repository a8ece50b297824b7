import type { AlterTableCmd, AlterTableStmt, Constraint } from "libpg-query";
import type { Client } from "pg";
import type { Rewrite, RewritePart } from "../journal/rewrites";
import { type AlterPieces, alterPieces } from "../sql/alterCommands";
import type { StatementClass, TouchedRelation } from "./classification";
import { constraintParts, keyParts, notNullParts, type RewriteScene } from "./rewriteParts";

/** One command of an ALTER TABLE, in the tree and as written. */
interface Command {
  readonly cmd: AlterTableCmd;
  readonly text: string;
}

/**
 * An ALTER TABLE whose commands numbered in `dangerous` are carried out in parts, after all others.
 * @returns undefined when one of them cannot be
 */
export async function rewriteAlterTable(
  client: Client,
  { statement }: StatementClass,
  tree: AlterTableStmt,
  table: TouchedRelation,
  dangerous: ReadonlySet<number>,
): Promise<Rewrite | undefined> {
  const pieces = await alterPieces(statement.text);
  const commands = commandsOf(tree, pieces);
  if (commands === undefined) return undefined;
  const scene = { client, table, head: pieces.head };
  const safe = commands.filter((_, index) => !dangerous.has(index));
  const parts: RewritePart[] = [];
  if (safe.length > 0) {
    const sql = `${pieces.head} ${safe.map(({ text }) => text).join(", ")}`;
    parts.push({ statements: [sql], alone: false });
  }
  const ways = new Set<string>();
  for (const [index, command] of commands.entries()) {
    if (!dangerous.has(index)) continue;
    const found = await rewriteCommand(scene, command);
    if (found === undefined) return undefined;
    ways.add(found.how);
    parts.push(...found.parts);
  }
  return { how: [...ways].join("; "), parts };
}

function commandsOf(tree: AlterTableStmt, pieces: AlterPieces): Command[] | undefined {
  const commands = (tree.cmds ?? []).flatMap((node) =>
    "AlterTableCmd" in node ? [node.AlterTableCmd] : [],
  );
  if (commands.length !== pieces.commands.length) return undefined;
  return commands.map((cmd, index) => ({ cmd, text: pieces.commands[index] ?? "" }));
}

function rewriteCommand(
  scene: RewriteScene,
  { cmd, text }: Command,
): Promise<Rewrite | undefined> | Rewrite | undefined {
  const { subtype, name = "", def } = cmd;
  if (subtype === "AT_SetNotNull") {
    return {
      how: "a CHECK that is NOT VALID, VALIDATE, SET NOT NULL, drop the CHECK",
      parts: notNullParts(scene, name),
    };
  }
  if (subtype !== "AT_AddConstraint" || def === undefined || !("Constraint" in def)) {
    return undefined;
  }
  return rewriteConstraint(scene, def.Constraint, text);
}

async function rewriteConstraint(
  scene: RewriteScene,
  constraint: Constraint,
  text: string,
): Promise<Rewrite | undefined> {
  const isPartitioned = scene.table.kind === "p";
  const { contype } = constraint;
  // Before PostgreSQL 18 a partitioned table's foreign key cannot be NOT VALID.
  const canBeProvedLater =
    contype === "CONSTR_CHECK" ||
    (!isPartitioned && (contype === "CONSTR_FOREIGN" || contype === "CONSTR_NOTNULL"));
  if (canBeProvedLater) {
    const parts = await constraintParts(scene, constraint, text);
    return { how: "NOT VALID, then VALIDATE", parts };
  }
  if (contype !== "CONSTR_UNIQUE" && contype !== "CONSTR_PRIMARY") return undefined;
  const isPlain = constraint.options === undefined && constraint.indexspace === undefined;
  if (isPartitioned || !isPlain || constraint.without_overlaps === true) return undefined;
  return {
    how: "CREATE UNIQUE INDEX CONCURRENTLY, then USING INDEX",
    parts: await keyParts(scene, constraint),
  };
}
