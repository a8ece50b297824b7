import type { Node } from "libpg-query";
import type { Client } from "pg";
import type { OrderedRepeatable } from "../files/repeatableOrder";
import { addressesOf, nameOfDefinition } from "../schema/objectAddresses";
import type { ObjectFacts, ObjectGrant } from "../schema/objectFacts";
import { subjectsOf } from "../sql/definition";
import { textsOf } from "../sql/treeNames";
import { keyOf } from "./dependents";

/** Who CURRENT_USER and SESSION_USER are to the statements of a file. */
interface Roles {
  readonly current: string;
  readonly session: string;
}

/**
 * Objects with those rights and comments alone that the file's own GRANT and COMMENT give. Others may
 * have come from default privileges or from a migration: the file brings none of them back, so what
 * becomes of them is no affair of its.
 * @param made what the file has made, in the transaction that has run it
 */
export async function withStated(
  client: Client,
  { statements }: OrderedRepeatable,
  made: readonly ObjectFacts[],
): Promise<ObjectFacts[]> {
  const said = statements.flatMap(({ tree }) =>
    (subjectsOf(tree) ?? []).map((subject) => ({ tree, name: nameOfDefinition(subject) })),
  );
  if (said.length === 0) return made.map((facts) => ({ ...facts, grants: [], comments: [] }));
  const names = said.map(({ name }) => name);
  const found = await addressesOf(client, names);
  const { rows } = await client.query<Roles>(
    "SELECT current_user::text AS current, session_user::text AS session",
  );
  const roles = rows[0] ?? { current: "", session: "" };
  return made.map((facts) => {
    const trees = found
      .filter((one) => keyOf(one) === keyOf(facts))
      .flatMap(({ index }) => said[index]?.tree ?? []);
    return {
      ...facts,
      grants: facts.grants.flatMap((grant) => {
        const giving = trees.filter((tree) => gives(tree, grant, roles));
        const mayGrant = grant.mayGrant && giving.some(givesOption);
        return giving.length === 0 ? [] : [{ ...grant, mayGrant }];
      }),
      comments: facts.comments.filter(({ on }) => trees.some((tree) => comments(tree, facts, on))),
    };
  });
}

function gives(tree: Node, grant: ObjectGrant, roles: Roles): boolean {
  if (!("GrantStmt" in tree) || tree.GrantStmt.is_grant !== true) return false;
  const { privileges = [], grantees = [] } = tree.GrantStmt;
  const isRight =
    privileges.length === 0
      ? grant.column === ""
      : privileges.some((one) => "AccessPriv" in one && isGiven(one.AccessPriv, grant));
  return isRight && grantees.some((one) => roleIn(one, roles) === roleOf(grant));
}

function isGiven(
  { priv_name: privilege, cols }: { priv_name?: string; cols?: Node[] },
  grant: ObjectGrant,
): boolean {
  if (privilege !== undefined && privilege.toUpperCase() !== grant.privilege) return false;
  return cols === undefined
    ? grant.column === ""
    : textsOf(cols).includes(identifierIn(grant.column));
}

function givesOption(tree: Node): boolean {
  return "GrantStmt" in tree && tree.GrantStmt.grant_option === true;
}

/** undefined for PUBLIC. */
function roleOf({ to }: ObjectGrant): string | undefined {
  return to === "PUBLIC" ? undefined : identifierIn(to);
}

function roleIn(node: Node, { current, session }: Roles): string | undefined {
  if (!("RoleSpec" in node)) return undefined;
  const { roletype, rolename } = node.RoleSpec;
  if (roletype === "ROLESPEC_PUBLIC") return undefined;
  if (roletype === "ROLESPEC_SESSION_USER") return session;
  return roletype === "ROLESPEC_CSTRING" ? rolename : current;
}

function comments(tree: Node, { ddl }: ObjectFacts, on: string): boolean {
  if (!("CommentStmt" in tree)) return false;
  const { objtype, object } = tree.CommentStmt;
  if (objtype !== "OBJECT_COLUMN") return on === ddl;
  const prefix = `${ddl.replace(/^VIEW /, "COLUMN ")}.`;
  const parts = object !== undefined && "List" in object ? textsOf(object.List.items) : [];
  return on.startsWith(prefix) && identifierIn(on.slice(prefix.length)) === parts.at(-1);
}

/** A name from SQL, where it is quoted if it has to be. */
function identifierIn(sql: string): string {
  return sql.startsWith('"') ? sql.slice(1, -1).replaceAll('""', '"') : sql;
}
