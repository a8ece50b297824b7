import { strict as assert } from "node:assert";
import {
  formatDate,
  formatPrice,
  formatQuantity,
  parsePrice,
  parseQuantity,
} from "../../app/frontend/1.0.0/page/format";

describe("what the page shows and reads", () => {
  it("shows quantities and prices with all their digits, in whatever locale this runs", () => {
    assert.match(formatQuantity(1234567), /^1\D?234\D?567$/);
    assert.match(formatPrice("9999999999.99"), /9\D?999\D?999\D?999\D99/);
    assert.equal(formatPrice(null), "no price");
  });

  it("shows the day itself, whatever the time zone", () => {
    const before = process.env.TZ;
    const shown = ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"].map((zone) => {
      process.env.TZ = zone;
      return formatDate("2024-03-01");
    });
    process.env.TZ = before ?? "";
    if (before === undefined) delete process.env.TZ;
    assert.equal(new Set(shown).size, 1);
    assert.match(shown[0] ?? "", /\b0?1\b.*2024|2024.*\b0?1\b/);
  });

  it("reads whole numbers, with separators or without, and nothing else", () => {
    for (const [typed, read] of [
      ["12", 12],
      [" 0 ", 0],
      ["1,200", 1200],
      ["1 200 000", 1200000],
      ["1,20", undefined],
      ["-1", undefined],
      ["1.5", undefined],
      ["1e3", undefined],
      ["", undefined],
      ["12345678901", undefined],
    ] as const) {
      assert.equal(parseQuantity(typed), read, typed);
    }
  });

  it("reads amounts as exact decimal text, no price from nothing, and no guess from the rest", () => {
    for (const [typed, read] of [
      ["12.5", "12.5"],
      ["$ 1,200.50", "1200.50"],
      ["  ", null],
      ["12,50", undefined],
      ["1.234", undefined],
      ["-1", undefined],
      ["free", undefined],
    ] as const) {
      assert.equal(parsePrice(typed), read, typed);
    }
  });
});
