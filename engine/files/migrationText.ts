import { digestOf, normaliseLineEnds } from "./digest";
import type { MigrationFile } from "./migration";
import { readBytes, readText } from "./readText";
import { excerpt, type SourceText } from "../sql/sourceText";

/** A mistake in a folder, as lines of a message: the problem, then where, then the fix. */
export type FolderMistake = readonly [problem: string, ...where: string[]];

const byteOrderMark = "\ufeff";

/** Reads one file; mistakes in its bytes are added to `mistakes` and undefined returned. */
export function readMigrationFile(
  file: Pick<MigrationFile, "shownPath" | "path" | "phase">,
  mistakes: FolderMistake[],
): MigrationFile | undefined {
  const { shownPath, path, phase } = file;
  const text = normaliseLineEnds(readText(shownPath));
  const mistake = mistakeIn({ shownPath, text });
  if (mistake !== undefined) {
    mistakes.push(mistake);
    return undefined;
  }
  return { phase, path, shownPath, text, digest: digestOf(text) };
}

/** What Node reads for bytes that are no UTF-8; a text may also hold it. */
const replacement = "\ufffd";

function mistakeIn(source: SourceText): FolderMistake | undefined {
  const { shownPath, text } = source;
  if (text.startsWith(byteOrderMark)) {
    return [
      `${shownPath}:1:1 starts with a byte-order mark (EF BB BF).`,
      "Save the file as UTF-8 without a byte-order mark.",
    ];
  }
  const mistake = text.includes(replacement) ? mistakeInBytes(source) : undefined;
  if (mistake !== undefined) return mistake;
  const zero = text.indexOf("\0");
  if (zero !== -1) {
    return ["A zero byte cannot be part of SQL.", ...excerpt(source, zero)];
  }
  return undefined;
}

function mistakeInBytes(source: SourceText): FolderMistake | undefined {
  const bytes = readBytes(source.shownPath);
  if (bytes[0] === 0xff || bytes[0] === 0xfe) {
    return [`${source.shownPath} is not UTF-8 but looks like UTF-16.`, "Save it as UTF-8."];
  }
  const invalid = firstInvalidByte(bytes);
  if (invalid === undefined) return undefined;
  const before = normaliseLineEnds(bytes.subarray(0, invalid).toString("utf8")).length;
  const byte = (bytes[invalid] ?? 0).toString(16).padStart(2, "0");
  return [`The byte 0x${byte} is not UTF-8.`, ...excerpt(source, before)];
}

function firstInvalidByte(bytes: Buffer): number | undefined {
  const again = Buffer.from(bytes.toString("utf8"));
  if (again.equals(bytes)) return undefined;
  let at = 0;
  while (again[at] === bytes[at]) at++;
  return at;
}
