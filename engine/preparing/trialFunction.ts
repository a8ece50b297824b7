import type { Quoting } from "../sync/quoting";
import type { ExpressionFunctions } from "../sync/expressions";
import type { ColumnSync } from "../files/syncFile";
import type { SyncTable } from "../sync/syncTable";

/** Rows of the table that are looked at, and how many values are taken apart. */
const mostRows = 10_000;
const mostParts = 500;

/**
 * The function that tries the cases it is given, and rows of the table. Each value is in a block of
 * its own, so that one that fails does not end the trial; a variable says which expression was being
 * evaluated, for it keeps its value when the block is taken back.
 */
export function trialFunction(
  sync: ColumnSync,
  table: SyncTable,
  own: (part: string) => string,
  functions: ExpressionFunctions,
  { name: q, text }: Quoting,
): string {
  const columnOf = (name: string) => table.columns.find((column) => column.name === name);
  const names = { old: sync.old, new: sync.new };
  const variables = (prefix: string, side: "old" | "new"): string[] =>
    names[side].map((_, index) => `${prefix}${index + 1}`);
  const declare = (prefix: string, side: "old" | "new"): string =>
    names[side]
      .map((name, index) => `${prefix}${index + 1} ${columnOf(name)?.type ?? "text"};`)
      .join(" ");
  /** Evaluates all expressions of a side. */
  const evaluate = (side: "forward" | "reverse", from: string, to: string): string => {
    const [source, target] =
      side === "forward" ? (["old", "new"] as const) : (["new", "old"] as const);
    return names[target]
      .map(
        (name, index) =>
          `place := ${text(`${side}.${name}`)}; ${to}${index + 1} := ${functions[side][index] ?? ""}(${variables(from, source).join(", ")});`,
      )
      .join("\n      ");
  };
  const json = (prefix: string, side: "old" | "new"): string =>
    `json_build_object(${names[side].map((name, index) => `${text(name)}, ${prefix}${index + 1}`).join(", ")})`;
  const all = (prefix: string, side: "old" | "new"): string => variables(prefix, side).join(", ");
  const isChanged = (a: string, b: string): string =>
    `ROW(${all(a, "new")}) IS DISTINCT FROM ROW(${all(b, "new")})`;
  const told = (condition: string, set: string): string =>
    `IF ${condition} THEN ${set} origin := source; RETURN NEXT; CONTINUE; END IF;`;
  const oldPlace = text(`reverse.${sync.old[0] ?? ""}`);
  /** Where all old columns may be NULL, that is what the old side says as long as it comes back. */
  const ensureFilled = (of: string): string =>
    [
      ...sync.old.flatMap((name, index) =>
        columnOf(name)?.notNull === true
          ? [[`b${index + 1} IS NULL`, text(`reverse.${name}`)] as const]
          : [],
      ),
      [`num_nonnulls(${all("b", "old")}) = 0 AND ${isChanged(of, "y")}`, oldPlace] as const,
    ]
      .map(([isNull, where]) =>
        told(isNull, `place := ${where}; kind := 'null'; given := ${json(of, "new")};`),
      )
      .join("\n      ");
  const percent = table.estimatedRows > mostRows ? (200 * mostRows) / table.estimatedRows : 100;
  const olds = sync.old.map(q).join(", ");
  // A column may be called what a variable is called.
  const qualified = sync.old.map((name) => `stateful_cd_t.${q(name)}`).join(", ");
  const body = `
#variable_conflict use_variable
DECLARE
  source text; plain boolean; item jsonb; texts text[]; parts int := 0; part int; fits boolean;
  ${declare("o", "old")} ${declare("b", "old")} ${declare("c", "old")}
  ${declare("x", "new")} ${declare("y", "new")} ${declare("z", "new")} ${declare("p", "new")}
BEGIN
  FOR item IN SELECT e FROM jsonb_array_elements(cases) e LOOP
    texts := ARRAY(SELECT t FROM jsonb_array_elements_text(item) WITH ORDINALITY AS l(t, n) ORDER BY n);
    BEGIN
      INSERT INTO ${own("_old")} (stateful_cd_plain, ${olds})
      VALUES (texts[1]::boolean, ${sync.old.map((name, index) => `texts[${index + 2}]::${columnOf(name)?.type ?? "text"}`).join(", ")});
    EXCEPTION WHEN OTHERS THEN NULL; -- the type or a CHECK knows no such value: nobody can write it
    END;
  END LOOP;
  FOR source, plain, ${all("o", "old")} IN
    (SELECT 'a row of the table', true, ${qualified}
       FROM ${table.sql} AS stateful_cd_t TABLESAMPLE SYSTEM (${Math.min(100, percent)}) LIMIT ${mostRows})
    UNION ALL
    SELECT 'made up', stateful_cd_plain, ${qualified} FROM ${own("_old")} AS stateful_cd_t
  LOOP
    BEGIN
      kind := 'raised'; written := NULL; given := ${json("o", "old")};
      ${evaluate("forward", "o", "x")}
      CONTINUE WHEN num_nonnulls(${all("x", "new")}) = 0;
      given := ${json("x", "new")};
      ${evaluate("reverse", "x", "b")}
      written := ${json("b", "old")}; given := ${json("b", "old")};
      ${evaluate("forward", "b", "y")}
      ${ensureFilled("x")}
      place := ${oldPlace}; got := ${json("y", "new")};
      ${told(`plain AND ${isChanged("x", "y")}`, `kind := 'changed'; given := ${json("x", "new")};`)}
      IF ${isChanged("x", "y")} AND num_nonnulls(${all("y", "new")}) > 0 THEN
        given := ${json("y", "new")};
        ${evaluate("reverse", "y", "c")}
        given := ${json("c", "old")}; written := ${json("c", "old")};
        ${evaluate("forward", "c", "z")}
        place := ${oldPlace}; got := ${json("z", "new")};
        ${told(isChanged("y", "z"), `kind := 'unsettled'; given := ${json("y", "new")};`)}
      END IF;
      -- What the new release may leave out of such a value, reverse has to do without.
      CONTINUE WHEN parts >= ${mostParts} OR num_nulls(${all("x", "new")}) > 0;
      FOR part IN 1..${sync.new.length === 1 ? 0 : sync.new.length} LOOP
        parts := parts + 1;
        ${sync.new.map((_, index) => `p${index + 1} := CASE WHEN part <> ${index + 1} THEN x${index + 1} END;`).join(" ")}
        BEGIN
          INSERT INTO ${own("_new")} (${sync.new.map(q).join(", ")}) VALUES (${all("p", "new")});
          fits := true;
        EXCEPTION WHEN OTHERS THEN fits := false; -- a CHECK rules it out
        END;
        CONTINUE WHEN NOT fits;
        given := ${json("p", "new")}; written := NULL;
        ${evaluate("reverse", "p", "b")}
        given := ${json("b", "old")};
        ${evaluate("forward", "b", "y")}
        ${ensureFilled("p")}
      END LOOP;
    EXCEPTION WHEN OTHERS THEN kind := 'raised'; got := SQLERRM; origin := source; RETURN NEXT;
    END;
  END LOOP;
END`;
  return `CREATE FUNCTION ${own("")}(cases jsonb)
    RETURNS TABLE (place text, kind text, origin text, given json, written json, got text)
    LANGUAGE plpgsql AS ${text(body)}`;
}
