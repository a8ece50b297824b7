const finished = /^ *(\+\+|[-+~]) +(\S+) (\S+) (created|updated|deleted|replaced) \(([\d.]+s)\)/;
const progress = /pulumi:pulumi:Stack \S+ \S+ \(\d+s\) (.+)$/;

/**
 * What a person wants to see of the CLI's line-by-line output: each thing that was made, with its
 * kind and time, and what providers say on the way; undefined for the rest.
 */
export function narrate(line: string): string | undefined {
  const done = finished.exec(line);
  if (done) {
    const [, sign, type = "", name = "", , seconds] = done;
    const kind = type.split(/[:/]/).at(-1) ?? type;
    return `${sign ?? ""} ${kind.padEnd(22)} ${name.padEnd(32)} ${seconds ?? ""}`;
  }
  const said = progress.exec(line)?.[1];
  if (said === undefined || /^(\d+ messages?|\d+ warnings?|error:|warning:)/.test(said))
    return undefined;
  return `  ${said}`;
}

const planned = /^ *(\+\+|\+-|-\+|[-+~]) +(\S+:\S+) (\S+) (create|update|delete|replace)\b/;

/** What a person wants to see of a preview: each thing that would change; undefined for the rest. */
export function narratePlan(line: string): string | undefined {
  const [, sign = "", type = "", name = "", verb = ""] = planned.exec(line) ?? [];
  // Components only hold what is told beside them.
  if (type === "" || type === "pulumi:pulumi:Stack" || type.startsWith("stateful-cd:")) return;
  const kind = type.split(/[:/]/).at(-1) ?? type;
  return `${sign} ${kind.padEnd(22)} ${name.padEnd(32)} ${verb}`;
}
