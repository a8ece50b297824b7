import type { Client } from "pg";
import { UserError } from "../../userError";
import { abortMigration } from "../abort";
import { applyMigrations } from "../apply";
import { type AuditedMigration, auditMigrations } from "../audit";
import { contractMigrations } from "../contract";
import type { Migration } from "../files/migration";
import type { Repeatable } from "../files/repeatable";
import { findDrift } from "../journal/recordedSchema";
import { planMigrations } from "../plan";
import type { Progress } from "../progress";
import { withSession } from "../session/session";
import { squash } from "../squash";
import { undoMigration } from "../undo";
import {
  applyLines,
  auditLines,
  contractLines,
  planLines,
  squashLines,
  statusLines,
} from "./output";

/** What every command works with. */
export interface CommandContext {
  readonly connect: () => Promise<Client>;
  /** The migrations folder as the caller wrote it. */
  readonly folder: string;
  readonly migrations: readonly Migration[];
  readonly repeatables: readonly Repeatable[];
  readonly through?: string;
  /** The migration that abort and undo are about. */
  readonly id?: string;
  readonly oldRoles: readonly string[];
  readonly repair: boolean;
  readonly withoutStatements: boolean;
  readonly soakSeconds?: number;
  readonly keepDays?: number;
  readonly applicationName: string;
  readonly onProgress: (progress: Progress) => void;
}

/** What a command has to say, for people and for programs. */
export interface CommandResult {
  readonly json: unknown;
  readonly lines: readonly string[];
  /** false makes the process exit with 1. */
  readonly ok: boolean;
}

interface Command {
  readonly summary: string;
  /** Whether it is about one migration. */
  readonly takesId?: boolean;
  readonly run: (context: CommandContext) => Promise<CommandResult>;
}

const names = ["status", "plan", "apply", "audit", "contract", "abort", "undo", "squash"] as const;
export type CommandName = (typeof names)[number];

export const commands: Readonly<Record<CommandName, Command>> = {
  status: {
    summary: "the state of every migration and repeatable file, and drift; writes nothing",
    run: async (context) => {
      const { migrations, through, repeatables } = context;
      const [plan, drift] = await withSession(context.connect, async ({ client }) => [
        await planMigrations(client, migrations, through, repeatables),
        await findDrift(client),
      ]);
      const lines = statusLines(plan, drift);
      return { json: { ...plan, drift }, lines, ok: plan.refusals.length === 0 };
    },
  },
  plan: {
    summary: "the statements that apply would run; writes nothing",
    run: async (context) => {
      const plan = await planOf(context);
      return { json: plan, lines: planLines(plan), ok: plan.refusals.length === 0 };
    },
  },
  apply: {
    summary: "run what is pending",
    run: async (context) => {
      const result = await applyMigrations(context);
      return { json: result, lines: applyLines(result), ok: true };
    },
  },
  audit: {
    summary: "whether old and new columns agree in every row; writes only with --repair",
    run: async (context) => {
      const audited = await auditMigrations(context);
      const ok = audited.every(({ findings }) => findings.length === 0);
      const lines = [...auditLines(audited), ...waysIn(audited)];
      return { json: { migrations: audited }, lines, ok };
    },
  },
  contract: {
    summary: "end the old shapes that nothing uses any more",
    run: async (context) => {
      await withSession(context.connect, ({ client }) =>
        ensureRolesExist(client, context.oldRoles),
      );
      const result = await contractMigrations({
        ...context,
        oldRoles: context.oldRoles.map((name) => ({ name })),
      });
      return { json: result, lines: contractLines(result), ok: true };
    },
  },
  abort: {
    summary: "take back, before its contract, all that a migration has made",
    takesId: true,
    run: async ({ id = "", ...context }) => {
      const result = await abortMigration({ ...context, id });
      const line = result.aborted ? `${id}: aborted` : `${id} was aborted before`;
      return { json: result, lines: [line], ok: true };
    },
  },
  undo: {
    summary: "bring back, after its contract, the columns that it archived",
    takesId: true,
    run: async ({ id = "", ...context }) => {
      const result = await undoMigration({ ...context, id });
      const line = result.undone ? `${id}: undone` : `${id} is not contracted: nothing to undo`;
      const open = result.open === undefined ? [] : [`still to do: ${result.open}`];
      return { json: result, lines: [line, ...open], ok: true };
    },
  },
  squash: {
    summary: "make everything through --through one unit, in baseline.json; changes no database",
    run: async ({ connect, folder, migrations, through = "" }) => {
      const result = await withSession(connect, ({ client }) =>
        squash(client, folder, migrations, through),
      );
      return { json: result, lines: squashLines(result), ok: true };
    },
  },
};

export function isCommand(name: string | undefined): name is CommandName {
  return names.some((known) => known === name);
}

/** What sets right all that an audit has found, as the next step; no line where nothing is wrong. */
function waysIn(audited: readonly AuditedMigration[]): string[] {
  const ways = new Set(audited.flatMap(({ findings }) => findings.map(({ way }) => way)));
  return ways.size === 0 ? [] : [`Next: ${[...ways].join("; ")}`];
}

function planOf({ connect, migrations, through, repeatables }: CommandContext) {
  return withSession(connect, ({ client }) =>
    planMigrations(client, migrations, through, repeatables),
  );
}

/** A name mistyped here would let the contract run under the eyes of the old release. */
async function ensureRolesExist(client: Client, roles: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT rolname AS name FROM pg_roles WHERE rolname = ANY ($1)",
    [roles],
  );
  const missing = roles.filter((role) => !rows.some(({ name }) => name === role));
  if (missing.length === 0) return;
  throw new UserError(`There is no role ${missing.join(", ")}.`, [], "correct --old-role");
}
