import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunOptions } from "../../engine/runOptions";
import { failureOf } from "../migrationFolder";
import { useRepeatables } from "../repeatableScene";

describe("repeatable files beside a phased migration", () => {
  const { database, folder, apply, applied, view, states, ...engine } = useRepeatables();

  beforeEach(() => {
    folder.write("0002-name/expand.sql", "ALTER TABLE public.stock ADD COLUMN name text;");
    folder.write(
      "0002-name/sync.yaml",
      'table: stock\nold: [label]\nnew: [name]\nforward: { name: "label" }\nreverse: { label: "coalesce(name, \'\')" }\n',
    );
  });
  const contract = async () => (await engine.contract()).waiting;
  const abort = (options: Partial<RunOptions> = {}) => engine.abort("0002-name", options);
  const state = async () => (await states())["0002-name"];

  it("hold up its contract while they name an old column, and say how it goes on", async () => {
    view("low", "SELECT id, label FROM public.stock");
    await apply();
    assert.deepEqual(await contract(), [
      "0002-name: label of public.stock is still named by view public.low of repeatable/low.sql; once no old release reads it there, apply repeatable/low.sql without label",
    ]);
    view("low", "SELECT id, name FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
    assert.deepEqual(await contract(), []);
    assert.deepEqual(await applied(), []);
  });

  it("are named where a statement of contract.sql fails for them", async () => {
    folder.write("0002-name/contract.sql", "ALTER TABLE public.stock DROP COLUMN quantity;");
    view("low", "SELECT id, quantity FROM public.stock");
    await apply();
    assert.equal(
      await failureOf(contract, folder),
      [
        "UserError: Migration 0002-name failed: cannot drop column quantity of table stock because other objects depend on it (2BP01).",
        "migrations/0002-name/contract.sql:1:1 (statement 1 of 1)",
        "1 | ALTER TABLE public.stock DROP COLUMN quantity;",
        "  | ^",
        "detail: view low depends on column quantity of table stock",
        "hint: Use DROP ... CASCADE to drop the dependent objects too.",
        "view public.low is made by repeatable/low.sql: apply that file without it first.",
        "Nothing of the contract was kept: its transaction was rolled back.",
        "Next: correct migrations/0002-name/contract.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    view("low", "SELECT id, name FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
    assert.deepEqual(await contract(), []);
  });

  it("that use its new column are named to abort, which can wait for them", async () => {
    view("low", "SELECT id, name FROM public.stock");
    await apply();
    assert.equal(
      await failureOf(abort),
      [
        "UserError: Migration 0002-name cannot be aborted.",
        "view public.low of repeatable/low.sql uses what it would take back.",
        "Next: apply repeatable/low.sql without that, then npm run migrations -- abort 0002-name",
      ].join("\n  "),
    );
    view("low", "SELECT id, label FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
    await abort();
    assert.equal(await state(), "aborted");
  });

  it("can be applied without its new column after an abort has given up on a lock", async () => {
    await apply();
    const before = await state();
    const reader = await database.connect();
    await reader.query("BEGIN; SELECT * FROM stock");
    await sleep(250);
    assert.match(
      await failureOf(() => abort({ tableLockDeadlineSeconds: 0.5 })),
      /^UserError: Migration 0002-name stopped .*: others hold public\.stock\.$/m,
    );
    await reader.query("COMMIT");
    assert.equal(await state(), before);
    view("low", "SELECT id, name FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
    assert.match(await failureOf(abort), /Next: apply repeatable\/low\.sql without that, then/);
    view("low", "SELECT id, label FROM public.stock");
    assert.deepEqual(await applied(), ["repeatable/low.sql"]);
    await abort();
    assert.equal(await state(), "aborted");
  });

  it("are to be dropped where an abort was killed, for apply waits for its end", async () => {
    view("low", "SELECT id, name FROM public.stock");
    await apply();
    await database.query(
      "UPDATE stateful_cd.migrations SET state = 'aborting' WHERE id = '0002-name'",
    );
    assert.equal(
      await failureOf(abort),
      [
        "UserError: Migration 0002-name cannot be aborted.",
        "view public.low of repeatable/low.sql uses what it would take back.",
        "An earlier abort was interrupted, and apply waits for its end.",
        "Next: DROP VIEW public.low, then npm run migrations -- abort 0002-name; repeatable/low.sql without that makes it again",
      ].join("\n  "),
    );
    await database.query("DROP VIEW public.low");
    await abort();
    assert.equal(await state(), "aborted");
  });
});
