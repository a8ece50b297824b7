import { strict as assert } from "node:assert";
import { digestOf } from "../../engine/files/digest";
import { isAtomic } from "../../engine/files/atomic";
import { joinedName } from "../../engine/locks/objectNames";
import { boundStatements } from "../../engine/locks/transactionBound";
import { parse } from "../../engine/sql/parser";
import { alterPieces } from "../../engine/sql/alterCommands";

describe("lock analysis without a database", () => {
  it("takes an ALTER TABLE to pieces at the commas between its commands", async () => {
    const text =
      'ALTER TABLE IF EXISTS ONLY "a,b" . t /* , */ ADD x numeric(8, 2), ADD CHECK (x IN (1, 2)), ALTER é DROP DEFAULT -- c';
    assert.deepEqual(await alterPieces(text), {
      head: 'ALTER TABLE IF EXISTS ONLY "a,b" . t',
      commands: ["ADD x numeric(8, 2)", "ADD CHECK (x IN (1, 2))", "ALTER é DROP DEFAULT"],
    });
  });

  it("names what has no name as PostgreSQL does, within 63 bytes", () => {
    assert.equal(joinedName("orders", "customer_id", "fkey"), "orders_customer_id_fkey");
    assert.equal(joinedName("orders", "", "pkey"), "orders_pkey");
    assert.equal(
      joinedName("t".repeat(50), "é".repeat(20), "key"),
      `${"t".repeat(29)}_${"é".repeat(14)}_key`,
    );
  });

  it("leaves a statement in its transaction where that is what the author relies on", async () => {
    const where = async (text: string) => {
      const parsed = await parse(text);
      assert.ok("statements" in parsed);
      return Object.fromEntries(
        [...boundStatements(parsed.statements)].map(([number, binding]) => [number, binding.where]),
      );
    };
    assert.deepEqual(await where("SET LOCAL lock_timeout = '1s'; SET x.y = 1; SELECT 1"), {});
    assert.deepEqual(await where("SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3"), {
      3: "between BEGIN and COMMIT",
    });
    assert.deepEqual(await where("SET LOCAL search_path = a; SELECT 1; VACUUM; SELECT 2"), {
      2: "behind statement 1, which holds until its transaction ends",
    });
    for (const holding of [
      "LOCK TABLE t",
      "SAVEPOINT s",
      "SET CONSTRAINTS ALL DEFERRED",
      "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
      "CREATE TEMP TABLE t () ON COMMIT DROP",
    ]) {
      assert.deepEqual(Object.keys(await where(`${holding}; SELECT 1`)), ["2"], holding);
    }
  });

  it("keeps a file as written when its header says so, and only its header", () => {
    const file = (text: string) => ({
      phase: "expand" as const,
      path: "a.sql",
      shownPath: "a.sql",
      text,
      digest: digestOf(text),
    });
    assert.equal(isAtomic(file("-- why\n\n--  Atomic: true\nSELECT 1")), true);
    assert.equal(isAtomic(file("SELECT 1;\n-- atomic: true\n")), false);
    assert.equal(isAtomic(file("-- atomic: truely\nSELECT 1")), false);
    assert.equal(isAtomic(file("-- not atomic: true\nSELECT 1")), false);
  });
});
