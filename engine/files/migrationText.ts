import { digestOf, normaliseLineEnds } from "./digest";
import type { MigrationFile, Phase } from "./migration";
import { readBytes } from "./readText";
import { excerpt, type SourceText } from "../sql/sourceText";

/** A mistake in a folder, as lines of a message: the problem, then where, then the fix. */
export type FolderMistake = readonly [problem: string, ...where: string[]];

const byteOrderMark = "\ufeff";

/** Reads one file; mistakes in its bytes are added to `mistakes` and undefined returned. */
export function readMigrationFile(
  file: { fullPath: string; shownPath: string; path: string; phase: Phase },
  mistakes: FolderMistake[],
): MigrationFile | undefined {
  const bytes = readBytes(file.fullPath, file.shownPath);
  const { shownPath, path, phase } = file;
  const text = normaliseLineEnds(bytes.toString("utf8"));
  const mistake = mistakeInBytes({ shownPath, text }, bytes);
  if (mistake !== undefined) {
    mistakes.push(mistake);
    return undefined;
  }
  return { phase, path, shownPath, text, digest: digestOf(text) };
}

function mistakeInBytes(source: SourceText, bytes: Buffer): FolderMistake | undefined {
  const { shownPath, text } = source;
  if (bytes[0] === 0xff || bytes[0] === 0xfe) {
    return [`${shownPath} is not UTF-8 but looks like UTF-16.`, "Save it as UTF-8."];
  }
  if (text.startsWith(byteOrderMark)) {
    return [
      `${shownPath}:1:1 starts with a byte-order mark (EF BB BF).`,
      "Save the file as UTF-8 without a byte-order mark.",
    ];
  }
  const invalid = firstInvalidByte(bytes);
  if (invalid !== undefined) {
    const before = normaliseLineEnds(bytes.subarray(0, invalid).toString("utf8")).length;
    const byte = (bytes[invalid] ?? 0).toString(16).padStart(2, "0");
    return [`The byte 0x${byte} is not UTF-8.`, ...excerpt(source, before)];
  }
  const zero = text.indexOf("\0");
  if (zero !== -1) {
    return ["A zero byte cannot be part of SQL.", ...excerpt(source, zero)];
  }
  return undefined;
}

function firstInvalidByte(bytes: Buffer): number | undefined {
  const again = Buffer.from(bytes.toString("utf8"));
  if (again.equals(bytes)) return undefined;
  let at = 0;
  while (again[at] === bytes[at]) at++;
  return at;
}
