import { parseArgs } from "node:util";
import { UserError } from "../../userError";
import { type CommandName, commands, isCommand } from "./commands";

/** What the command line says, checked. */
export interface Arguments {
  readonly command: CommandName;
  readonly connection: string | undefined;
  readonly folder: string;
  /** The migration that abort and undo are about. */
  readonly id: string | undefined;
  readonly through: string | undefined;
  readonly oldRoles: readonly string[];
  readonly repair: boolean;
  readonly withoutStatements: boolean;
  readonly soakSeconds: number | undefined;
  readonly keepDays: number | undefined;
  readonly json: boolean;
}

/** A mistake in the command line itself. */
export class UsageError extends UserError {}

export const usage = `Usage: npm run migrations -- <command> [options]

Commands
${Object.entries(commands)
  .map(([name, { summary, takesId }]) => {
    return `  ${(takesId === true ? `${name} ID` : name).padEnd(9)} ${summary}`;
  })
  .join("\n")}

Options
  --database-url URL   where; without it libpq's PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE
  --folder FOLDER      the migrations (default: migrations)
  --through ID         the last migration to look at; repeatable files come after the last of all
  --old-role ROLE      for contract: the login of a release that knows only the old shape; repeatable
  --repair             for audit: put triggers back, and set right by the old columns what was written past them
  --without-statements for contract: go on where pg_stat_statements cannot tell who reads the old columns
  --soak SECONDS       for contract: how long nothing may have used the old shape (default: 2)
  --keep-days DAYS     for contract: drop what was archived longer ago (default: 7)
  --json               one JSON document on standard output
  --help               this text`;

export function readArguments(argv: readonly string[]): Arguments | "help" {
  const { values, positionals } = parse(argv);
  ensureNoneEmpty(values);
  if (values.help === true) return "help";
  const [command, ...rest] = positionals;
  const takesId = isCommand(command) && commands[command].takesId === true;
  const [id, ...more] = takesId ? rest : [undefined, ...rest];
  if (more.length > 0 || !isCommand(command)) {
    const words = positionals.length === 0 ? "no command" : `"${positionals.join(" ")}"`;
    throw new UsageError(
      `The command line has ${words}.`,
      [`Allowed: ${Object.keys(commands).join(", ")}.`],
      "npm run migrations -- --help",
    );
  }
  if (takesId && id === undefined) {
    throw new UsageError(
      `${command} needs to know which migration.`,
      [],
      `npm run migrations -- ${command} <id>, one of npm run migrations -- status`,
    );
  }
  const oldRoles = values["old-role"] ?? [];
  if (command === "contract" && oldRoles.length === 0) {
    throw new UsageError(
      "contract needs to know which logins are of old releases.",
      ["As long as one of them has a session, the old shape stays."],
      "npm run migrations -- contract --old-role <login of the old release>",
    );
  }
  if (command === "squash" && values.through === undefined) {
    throw new UsageError(
      "squash needs to know the last migration of the unit.",
      [],
      "npm run migrations -- squash --through <id>",
    );
  }
  return {
    command,
    id,
    oldRoles,
    soakSeconds: checkedNumber("--soak", values.soak),
    keepDays: checkedNumber("--keep-days", values["keep-days"]),
    connection: checkedConnection(values["database-url"]),
    folder: values.folder ?? "migrations",
    through: values.through,
    repair: values.repair ?? false,
    withoutStatements: values["without-statements"] ?? false,
    json: values.json ?? false,
  };
}

function parse(argv: readonly string[]): ReturnType<typeof parseArgs<typeof options>> {
  try {
    return parseArgs({ ...options, args: [...argv] });
  } catch (error) {
    // parseArgs names the option, and never repeats an option's value.
    const problem = error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error);
    throw new UsageError(problem, [], "npm run migrations -- --help");
  }
}

/** `--folder "$FOLDER"` without a value would be told as a folder without a name. */
function ensureNoneEmpty(values: Record<string, unknown>): void {
  const empty = Object.entries(values).find(([, value]) => [value].flat().includes(""));
  if (empty === undefined) return;
  throw new UsageError(
    `--${empty[0]} is empty.`,
    ["A variable without a value gives an empty text."],
    "npm run migrations -- --help",
  );
}

const options = {
  allowPositionals: true,
  options: {
    "database-url": { type: "string" },
    folder: { type: "string" },
    through: { type: "string" },
    "old-role": { type: "string", multiple: true },
    repair: { type: "boolean" },
    "without-statements": { type: "boolean" },
    soak: { type: "string" },
    "keep-days": { type: "string" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
} as const;

/** @throws UsageError that does not repeat the URL, for it holds a password */
function checkedConnection(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new UsageError(
    "--database-url is not a PostgreSQL URL.",
    ["Allowed: postgresql://user:password@host:port/database"],
    "npm run migrations -- --help",
  );
}

function checkedNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined || /^\d+(\.\d+)?$/.test(text)) {
    return text === undefined ? undefined : Number(text);
  }
  throw new UsageError(
    `${option} is not a number.`,
    ["Allowed: 0 and more, like 3600 or 0.5"],
    "npm run migrations -- --help",
  );
}
