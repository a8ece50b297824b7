/**
 * Values that a column of a type may be given: `plain` ones, as people write them, and `awkward`
 * ones, which somebody writes one day. What a type or a CHECK refuses is left out by the database.
 */
export interface TrialValues {
  readonly plain: readonly string[];
  readonly awkward: readonly string[];
}

const texts: TrialValues = {
  plain: [
    ...["a", "Ab", "Ab Cd", "Ab, Cd", "Ab Cd, EF", "ab_cd", "ab-cd", "a@b.example", "Ab (Cd)"],
    ...["42", "-1", "3.14", "2024-02-29", "2024-02-29 12:34:56", "true", "Größe", "東京"],
  ],
  awkward: [
    ...[
      "",
      " ",
      "  a  ",
      "a  b",
      ",",
      ", a",
      "a,",
      "a,,b",
      " , AB",
      "\t",
      "a\nb",
      "'",
      '"',
      "\\",
      "%",
    ],
    ...["a'b", "NULL", "{}", "[]", "-", "-0", "00", "1e999", "NaN", "99999999999999999999", "0x1F"],
    ...[
      "2023-02-30",
      "9999-99-99",
      "24:61",
      "\u00a0",
      "\u2003a",
      "\u200b",
      "e\u0301",
      "İ",
      "ß",
      "😀",
    ],
    "x".repeat(1000),
  ],
};
const numbers: TrialValues = {
  plain: ["0", "1", "7", "42", "-1"],
  awkward: [
    ...["0.1", "-0.005", "3.14", "32767", "-32768", "2147483647", "-2147483648"],
    ...["9223372036854775807", "-9223372036854775808", "99999999999999999999.99"],
    ...["1e-30", "1e30", "NaN", "Infinity", "-Infinity"],
  ],
};
/** No application reaches the year 294276, where dates themselves end; 9999 is what people write for never. */
const times: TrialValues = {
  plain: ["2024-02-29", "2024-02-29 12:34:56", "12:34:56"],
  awkward: [
    ...["0001-01-01", "9999-12-31", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"],
    ...["2024-03-31 02:30:00", "infinity", "-infinity", "00:00", "24:00"],
  ],
};
const byCategory: Readonly<Record<string, TrialValues>> = {
  S: texts,
  N: numbers,
  D: times,
  B: { plain: ["true", "false"], awkward: [] },
  T: { plain: ["1 day", "01:30"], awkward: ["0", "-1 month", "1 mon 30 days", "0.000001 s"] },
  I: { plain: ["192.0.2.1"], awkward: ["::", "2001:db8::1/64", "0.0.0.0/0"] },
  A: { plain: [], awkward: ["{}", "{NULL}", "{1}", "{1,1}"] },
};
const byName: Readonly<Record<string, TrialValues>> = {
  uuid: {
    plain: ["7f3c0e6a-1f0b-4c51-9d52-7b1f0f6f9a10"],
    awkward: ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
  },
  json: { plain: ['{"a": 1}'], awkward: ["{}", "[]", "null", '""', '{"a": null}', "1"] },
  bytea: { plain: ["\\x6162"], awkward: ["\\x", "\\x00", "\\xff"] },
};

/** @param type as PostgreSQL's catalog has it; `labels` are those of an enum */
export function trialValuesOf(type: {
  readonly name: string;
  readonly category: string;
  readonly labels: readonly string[];
}): TrialValues {
  if (type.category === "E") return { plain: type.labels, awkward: [] };
  const name = type.name === "jsonb" ? "json" : type.name;
  return byName[name] ?? byCategory[type.category] ?? { plain: [], awkward: [] };
}

export interface TrialCase {
  readonly isPlain: boolean;
  readonly values: readonly (string | null)[];
}

/** Plain values side by side; then each awkward value, and NULL, beside plain ones of the others. */
export function trialCases(columns: readonly TrialValues[]): TrialCase[] {
  const plainAt = (column: number, at: number): string | null => {
    const plain = columns[column]?.plain ?? [];
    return plain[at % Math.max(1, plain.length)] ?? null;
  };
  const rowAt = (at: number): (string | null)[] => columns.map((_, column) => plainAt(column, at));
  const most = Math.max(...columns.map(({ plain }) => plain.length), 1);
  const plain = Array.from({ length: most }, (_, at) => ({ isPlain: true, values: rowAt(at) }));
  const awkward = columns.flatMap(({ awkward: values }, column) =>
    [...values, null].map((value, at) => ({
      isPlain: false,
      values: rowAt(at).map((other, index) => (index === column ? value : other)),
    })),
  );
  return [...plain, ...awkward, { isPlain: false, values: columns.map(() => null) }];
}
