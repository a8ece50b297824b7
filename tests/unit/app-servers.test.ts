import { strict as assert } from "node:assert";
import { readCursor, toWordQuery, writeCursor } from "../../app/backend/1.0.0/keysetPage";
import { isConnectionLost } from "../../app/backend/1.0.0/databaseErrors";
import { readSettings, serviceSettings } from "../../app/service/1.0.0/settings";
import { describeError } from "../../app/service/1.0.0/service";
import { DatabaseError } from "pg";

describe("the settings of a server", () => {
  it("have defaults where one is sensible", () => {
    assert.deepEqual(readSettings(serviceSettings, { RELEASE: "1.0.0" }), {
      PORT: 8080,
      RELEASE: "1.0.0",
      SHUTDOWN_DELAY_MS: 5000,
    });
  });

  it("are refused all at once, an empty one as a missing one", () => {
    assert.throws(() => readSettings(serviceSettings, { PORT: "70000", RELEASE: "" }), {
      message:
        "The environment variables are not usable:\n  PORT must be a whole number from 1 to 65535\n  RELEASE must be set",
    });
  });
});

describe("a page of the list", () => {
  it("is found again by a cursor of the same order only", () => {
    const cursor = writeCursor("name", 'Chef\'s "rub" 焼肉', 7);
    assert.deepEqual(readCursor(cursor, "name"), { value: 'Chef\'s "rub" 焼肉', id: 7 });
    assert.throws(() => readCursor(cursor, "-name"), {
      message: "cursor does not belong to this list.",
    });
  });

  it("is searched by words that are quoted whole", () => {
    assert.equal(toWordQuery("  chef's  rub "), "'chef''s':* & 'rub':*");
    assert.equal(toWordQuery("a\\' | 'b"), "'a':* & '''':* & '|':* & '''b':*");
  });
});

describe("an error of the database", () => {
  const withCode = (code: string): DatabaseError => {
    const error = new DatabaseError("Key (contact)=(someone) exists", 1, "error");
    error.code = code;
    error.detail = "someone";
    error.severity = "ERROR";
    return error;
  };

  it("is a lost connection by its code or by pg's words, never by chance", () => {
    for (const code of ["08006", "08P01", "57P01", "57P03", "53300"]) {
      assert.equal(isConnectionLost(withCode(code)), true, code);
    }
    for (const code of ["23505", "57014", "40001", "55P03"]) {
      assert.equal(isConnectionLost(withCode(code)), false, code);
    }
    assert.equal(isConnectionLost(new Error("Connection terminated unexpectedly")), true);
    assert.equal(isConnectionLost(Object.assign(new Error("x"), { code: "ECONNRESET" })), true);
    assert.equal(isConnectionLost(new TypeError("undefined is not a function")), false);
  });

  it("is logged by its code, without the row it quotes", () => {
    const logged = JSON.stringify(describeError(withCode("23505")));
    assert.match(logged, /"code":"23505"/);
    assert.doesNotMatch(logged, /someone/);
  });
});
