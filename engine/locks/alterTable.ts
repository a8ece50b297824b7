import type { AlterTableCmd, AlterTableStmt, Constraint } from "libpg-query";
import { nameOf, textsOf } from "../sql/treeNames";
import {
  constraintsOf,
  indexesBuiltAgain,
  isTypeChangeRewrite,
  rewriteByNewColumn,
} from "./columnChange";
import type { Findings, Target } from "./findings";
import { lockLevelOf } from "./lockLevels";
import { provesNotNull } from "./notNullProof";

/** ALTER TABLE, command by command; each may touch further tables and all rows. */
export function alterTable(statement: AlterTableStmt, findings: Findings): void {
  const name = nameOf(statement.relation);
  const target = findings.target(name);
  if (target === undefined) {
    if (statement.missing_ok !== true) findings.leavesOpen(`there is no ${name.name} yet`);
    return;
  }
  if (target.facts?.table) {
    alterIndex(statement, target, findings);
    return;
  }
  const named = { target, recurses: statement.relation?.inh === true };
  (statement.cmds ?? []).forEach((node, index) => {
    findings.command = index;
    if ("AlterTableCmd" in node) command(node.AlterTableCmd, named, findings);
  });
}

/** An index's own lock holds up nobody but other changes of it. */
function alterIndex(statement: AlterTableStmt, index: Target, findings: Findings): void {
  const isMoved = (statement.cmds ?? []).some(
    (node) => "AlterTableCmd" in node && node.AlterTableCmd.subtype === "AT_SetTableSpace",
  );
  const table = findings.numbered(index.facts?.table ?? null);
  if (isMoved) findings.does("rewrite", table, `index ${index.name} is copied`);
}

interface Named {
  readonly target: Target;
  /** Partitions and heirs are meant too: no ONLY. */
  readonly recurses: boolean;
}

function command(cmd: AlterTableCmd, { target, recurses }: Named, findings: Findings): void {
  const subtype = cmd.subtype ?? "";
  const { mode, children } = lockLevelOf(subtype, cmd.def);
  if (recurses && children) findings.lockTree(target, mode);
  else findings.lock(target, mode);
  more[subtype]?.(cmd, target, findings);
}

type CommandRule = (cmd: AlterTableCmd, target: Target, findings: Findings) => void;

/** What commands do beyond their lock on the table named. */
const more: Readonly<Partial<Record<string, CommandRule>>> = {
  AT_AddColumn: addColumn,
  AT_AlterColumnType: alterColumnType,
  AT_AddConstraint: ({ def }, target, findings) => {
    if (def !== undefined && "Constraint" in def) addConstraint(def.Constraint, target, findings);
  },
  AT_ValidateConstraint: validate,
  AT_SetNotNull: ({ name = "" }, target, findings) => {
    const isProved = [target, ...findings.childrenOf(target)].every(({ facts }) =>
      provesNotNull(facts, name),
    );
    if (!isProved) findings.does("scan", target, `column ${name} becomes NOT NULL`);
  },
  AT_DropConstraint: ({ name = "", behavior }, target, findings) => {
    const found = target.facts?.constraints.find((constraint) => constraint.name === name);
    findings.lockTree(findings.numbered(found?.references ?? null), "ACCESS EXCLUSIVE");
    if (behavior === "DROP_CASCADE") lockReferencing(target, findings);
  },
  AT_DropColumn: ({ name = "", behavior }, target, findings) => {
    lockPartners(name, target, findings);
    findings.takesAway(target, "drop", name);
    if (behavior === "DROP_CASCADE") lockReferencing(target, findings);
  },
  AT_SetLogged: rewrites("it becomes logged"),
  AT_SetUnLogged: rewrites("it becomes unlogged"),
  AT_SetAccessMethod: rewrites("its access method changes"),
  AT_SetTableSpace: rewrites("it is copied to another tablespace"),
  AT_SetExpression: rewrites("a column is computed for every row"),
  AT_AttachPartition: attach,
  AT_DetachPartition: ({ def }, target, findings) => {
    if (def === undefined || !("PartitionCmd" in def)) return;
    const { name, concurrent } = def.PartitionCmd;
    const partition = findings.target(nameOf(name));
    findings.lockTree(partition, concurrent ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE");
    lockDefault(target, findings);
  },
  AT_AddInherit: ({ def }, _target, findings) => {
    if (def === undefined || !("RangeVar" in def)) return;
    findings.lock(findings.target(nameOf(def.RangeVar)), "SHARE UPDATE EXCLUSIVE");
  },
  AT_DropInherit: ({ def }, _target, findings) => {
    if (def === undefined || !("RangeVar" in def)) return;
    findings.lock(findings.target(nameOf(def.RangeVar)), "ACCESS SHARE");
  },
};

function rewrites(why: string): CommandRule {
  return (_cmd, target, findings) => {
    findings.does("rewrite", target, why);
  };
}

function addColumn({ def }: AlterTableCmd, target: Target, findings: Findings): void {
  if (def === undefined || !("ColumnDef" in def)) return;
  const column = def.ColumnDef;
  const reason = rewriteByNewColumn(column, findings.vocabulary);
  if (reason !== undefined) findings.does("rewrite", target, reason);
  const constraints = constraintsOf(column);
  const hasDefault = constraints.some(({ contype }) => contype === "CONSTR_DEFAULT");
  for (const constraint of constraints) {
    if (constraint.contype === "CONSTR_NOTNULL") {
      // Without a default it can only fail on a table with rows; PostgreSQL still looks.
      if (!hasDefault) findings.does("scan", target, `column ${column.colname ?? ""} is NOT NULL`);
    } else if (constraint.contype !== "CONSTR_FOREIGN") {
      addConstraint(constraint, target, findings);
    } else if (hasDefault) {
      addConstraint(constraint, target, findings);
    } else {
      // A column of NULLs refers to nothing: PostgreSQL does not look.
      addConstraint({ ...constraint, skip_validation: true }, target, findings);
    }
  }
}

function addConstraint(constraint: Constraint, target: Target, findings: Findings): void {
  const { contype, conname, indexname, skip_validation: isNotValid } = constraint;
  const named = conname === undefined ? {} : { validates: conname };
  const shown = conname === undefined ? "" : ` ${conname}`;
  if (contype === "CONSTR_FOREIGN") {
    const parent = findings.target(nameOf(constraint.pktable));
    findings.lockTree(target, "SHARE ROW EXCLUSIVE");
    findings.lockTree(parent, "SHARE ROW EXCLUSIVE");
    if (isNotValid === true) return;
    const why = `foreign key${shown} to ${parent?.name ?? nameOf(constraint.pktable).name} is proved`;
    const isUsed = parent?.isNew === false && (parent.facts?.bytes ?? 0) > 0;
    findings.does("scan", target, why, { ...named, ...(isUsed ? { locks: parent.name } : {}) });
  } else if (contype === "CONSTR_CHECK" || contype === "CONSTR_NOTNULL") {
    if (isNotValid === true || constraint.is_enforced === false) return;
    findings.does("scan", target, `constraint${shown} is proved`, named);
  } else if (contype === "CONSTR_PRIMARY") {
    const missing = textsOf(constraint.keys).filter((key) => !provesNotNull(target.facts, key));
    if (indexname === undefined) findings.does("index", target, "index of the primary key", named);
    else if (indexIsNullable(indexname, target, findings)) {
      findings.does("scan", target, "columns of the primary key become NOT NULL", named);
    }
    if (missing.length > 0 && indexname === undefined) {
      findings.does("scan", target, `column ${missing.join(", ")} becomes NOT NULL`);
    }
  } else if (contype === "CONSTR_UNIQUE" || contype === "CONSTR_EXCLUSION") {
    if (indexname === undefined)
      findings.does("index", target, `index of constraint${shown}`, named);
  }
}

/** PRIMARY KEY USING INDEX names no columns. */
function indexIsNullable(index: string, { facts }: Target, findings: Findings): boolean {
  const { catalog } = findings;
  const key =
    catalog.named({ name: index }) ??
    (facts && catalog.named({ schema: facts.schema, name: index }));
  return key === undefined || key.columns.some(({ name }) => !provesNotNull(facts, name));
}

/** Why, of an index that a type change leaves no other way. */
export const indexBuiltAnew = "is built anew";

function alterColumnType(cmd: AlterTableCmd, target: Target, findings: Findings): void {
  const { name = "", def } = cmd;
  if (def === undefined || !("ColumnDef" in def)) return;
  lockPartners(name, target, findings);
  const column = target.facts?.columns.find((facts) => facts.name === name);
  if (column === undefined) {
    findings.does("rewrite", target, `column ${name} changes its type`);
    return;
  }
  if (isTypeChangeRewrite(column, def.ColumnDef, findings.vocabulary)) {
    findings.does("rewrite", target, `column ${name} changes its type`);
    return;
  }
  for (const { facts } of [target, ...findings.childrenOf(target)]) {
    const { indexes = [], oid = null } = facts ?? {};
    for (const index of indexesBuiltAgain(column, def.ColumnDef, indexes, findings.vocabulary)) {
      findings.does("index", findings.numbered(oid), `index ${index.name} ${indexBuiltAnew}`);
    }
  }
  for (const { type, columns, name: constraint } of target.facts?.constraints ?? []) {
    if (type !== "c" || !columns.includes(name)) continue;
    findings.does("scan", target, `constraint ${constraint} is proved`, { validates: constraint });
  }
}

function validate({ name = "" }: AlterTableCmd, target: Target, findings: Findings): void {
  const found = target.facts?.constraints.find((constraint) => constraint.name === name);
  if (found?.validated === true) return;
  const parent = findings.numbered(found?.references ?? null);
  findings.lockTree(parent, "ROW SHARE");
  findings.does("scan", target, `constraint ${name} is proved`, { validates: name });
}

function attach({ def }: AlterTableCmd, target: Target, findings: Findings): void {
  if (def === undefined || !("PartitionCmd" in def)) return;
  const partition = findings.target(nameOf(def.PartitionCmd.name));
  findings.lockTree(partition, "ACCESS EXCLUSIVE");
  findings.does("scan", partition, "the partition's bounds are proved");
  const other = lockDefault(target, findings);
  if (other) findings.does("scan", other, "rows of the new partition are looked for");
  for (const { references } of target.facts?.constraints ?? []) {
    findings.lockTree(findings.numbered(references), "SHARE ROW EXCLUSIVE");
  }
}

/** Another partition changes what the default one may hold. */
export function lockDefault({ facts }: Target, findings: Findings): Target | undefined {
  const other = findings.numbered(facts?.defaultPartition ?? null);
  findings.lock(other, "ACCESS EXCLUSIVE");
  return other;
}

/** Tables on the other side of foreign keys over a column, in both directions. */
function lockPartners(column: string, target: Target, findings: Findings): void {
  for (const { references, columns } of target.facts?.constraints ?? []) {
    if (columns.includes(column)) findings.lock(findings.numbered(references), "ACCESS EXCLUSIVE");
  }
  for (const oid of target.facts?.referencedBy ?? []) {
    const other = findings.numbered(oid);
    const pointsHere = other?.facts?.constraints.some(
      ({ references, referencedColumns }) =>
        references === target.facts?.oid && referencedColumns.includes(column),
    );
    if (pointsHere === true) findings.lock(other, "ACCESS EXCLUSIVE");
  }
}

/** Dropping a key with CASCADE drops the foreign keys that point to it. */
export function lockReferencing({ facts }: Target, findings: Findings): void {
  for (const oid of facts?.referencedBy ?? []) {
    findings.lock(findings.numbered(oid), "ACCESS EXCLUSIVE");
  }
}
