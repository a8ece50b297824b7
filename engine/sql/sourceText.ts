/** A place in a file as editors count it: both from 1, the column in characters. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A file's text under the name that people see, and the way from parser positions to lines. */
export interface SourceText {
  readonly shownPath: string;
  readonly text: string;
}

/** The place of an offset counted in UTF-16 units, JavaScript's own. */
export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  let line = 1;
  for (let at = before.indexOf("\n"); at !== -1; at = before.indexOf("\n", at + 1)) line++;
  return { line, column: Array.from(before.slice(lineStart)).length + 1 };
}

/** PostgreSQL reports error positions in characters (code points); JavaScript counts UTF-16 units. */
export function offsetOfCharacter(text: string, characters: number): number {
  let offset = 0;
  for (let left = characters; left > 0 && offset < text.length; left--) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
  }
  return offset;
}

const widestExcerpt = 120;

/** `file:line:column`, the source line and a caret below it, as lines of an error's details. */
export function excerpt(source: SourceText, offset: number): string[] {
  const { line, column } = placeAt(source.text, offset);
  const characters = Array.from(
    printable(redactSecrets(source.text).split("\n")[line - 1]?.trimEnd() ?? ""),
  );
  const from = Math.max(0, Math.min(column - 60, characters.length - widestExcerpt));
  const shown = characters.slice(from, from + widestExcerpt).join("");
  const gutter = `${line} | `;
  return [
    `${source.shownPath}:${line}:${column}`,
    `${gutter}${shown}`,
    `${" ".repeat(gutter.length - 2)}| ${" ".repeat(Math.max(0, column - 1 - from))}^`,
  ];
}

/** Replaces what a terminal would obey by a visible mark of the same width. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) =>
    character === "\t" ? " " : "\ufffd",
  );
}

/** Blanks the value of PASSWORD '...' and of password=... without moving anything. */
export function redactSecrets(text: string): string {
  return text
    .replace(/(\bpassword\s+(?:[eE]?))'((?:[^']|'')*)'/gi, (_, before: string, value: string) => {
      return `${before}'${value.replace(/[^\n]/g, "*")}'`;
    })
    .replace(/(\bpassword\s*=\s*)([^\s'";,]+)/gi, (_, before: string, value: string) => {
      return before + "*".repeat(value.length);
    })
    .replace(/(:\/\/[^\s:/@']*:)([^\s@']+)(@)/g, (_, before: string, value: string, at: string) => {
      return before + "*".repeat(value.length) + at;
    });
}

/** The first words of a statement on one line, for plans and progress. */
export function headOf(text: string, length = 70): string {
  const line = printable(redactSecrets(text).replace(/\s+/g, " ").trim());
  const characters = Array.from(line);
  return characters.length <= length ? line : `${characters.slice(0, length - 1).join("")}…`;
}
