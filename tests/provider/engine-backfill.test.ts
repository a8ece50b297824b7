import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApplyOptions } from "../../engine/apply";
import type { Progress } from "../../engine/progress";
import { setFilling } from "../../engine/sync/syncNames";
import { cli, intercepted, useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";

describe("a backfill", () => {
  const { database, folder, apply, refusal, states } = useEngine();
  const rows = 40_000;

  /** Words with their length, which release 2 keeps in a column of its own. */
  const write = (more = ""): void => {
    folder.write(
      "0001-words.sql",
      `CREATE TABLE words (id int PRIMARY KEY, word text NOT NULL, seen int NOT NULL DEFAULT 0);
       CREATE INDEX words_word ON words (word);
       INSERT INTO words SELECT i, repeat('x', 1 + i % 90) FROM generate_series(1, ${rows}) i;`,
    );
    folder.write("0002-length/expand.sql", "ALTER TABLE words ADD letters int");
    folder.write(
      "0002-length/sync.yaml",
      `table: words
old: [word]
new: [letters]
forward: { letters: "length(word)" }
reverse: { word: "repeat('x', letters)" }
${more}`,
    );
  };
  const prepare = async (more = ""): Promise<void> => {
    write(more);
    await apply({ through: "0001-words" });
  };
  const wrong = async () =>
    (
      await database.query(
        "SELECT count(*)::int AS n FROM words WHERE letters IS DISTINCT FROM length(word)",
      )
    )[0]?.n;
  const state = async () => (await states())["0002-length"];

  it("leaves most rows on their page, so that no index grows with the table", async () => {
    await prepare();
    await database.query("SELECT pg_stat_reset()");
    await apply();
    const counted = async () =>
      (
        await database.query(
          "SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS stayed FROM pg_stat_user_tables WHERE relname = 'words'",
        )
      )[0];
    // The server adds up what its sessions did a moment after they have ended.
    for (let tries = 0; tries < 50 && Number((await counted())?.all) < rows; tries++) {
      await sleep(200);
    }
    const found = await counted();
    assert.equal(found?.all, rows);
    assert.ok(Number(found.stayed) > rows / 2, JSON.stringify(found));
  });

  it("is shared by workers, each with a range and a cursor of its own", async () => {
    await prepare("workers: 3\n");
    const told: Progress[] = [];
    await apply({ onProgress: (progress) => told.push(progress) });
    assert.equal(await wrong(), 0);
    const parts = await database.query(
      `SELECT part, lower, watermark, rows_seen::int AS seen, finished_at IS NOT NULL AS finished
         FROM stateful_cd.backfills ORDER BY part`,
    );
    assert.deepEqual(
      parts.map(({ part, finished }) => [part, finished]),
      [
        [1, true],
        [2, true],
        [3, true],
      ],
    );
    const lowers = parts.map(({ lower }) => lower);
    const ends = parts.map(({ watermark }) => watermark);
    assert.deepEqual(lowers, [null, ends[0], ends[1]]);
    assert.deepEqual(ends[2], [String(rows)]);
    assert.equal(
      parts.reduce((sum, { seen }) => sum + Number(seen), 0),
      rows,
    );
    assert.match(
      told.filter(({ event }) => event === "backfill").at(-1)?.message ?? "",
      /^backfill: 40,000 rows of public\.words looked at, [\d,]+ rows\/s$/,
    );
  });

  it("of gentle pace rests as long as it works, and waits for nobody's row", async () => {
    await prepare("pace: gentle\n");
    const fills: string[] = [];
    let worked = 0;
    let rested = 0;
    const connect = async () => {
      let isFilling = false;
      let since = 0;
      return intercepted(await database.connect(), async (text, send) => {
        if (text.startsWith("BEGIN") && isFilling) rested += performance.now() - since;
        if (text.startsWith("BEGIN")) since = performance.now();
        isFilling &&= !text.startsWith("BEGIN");
        const answer = await send();
        if (text.includes("UPDATE public.words t SET")) {
          fills.push(text);
          isFilling = true;
        }
        if (text === "COMMIT" && isFilling) {
          worked += performance.now() - since;
          since = performance.now();
        }
        return answer;
      });
    };
    await apply({ connect });
    assert.equal(await wrong(), 0);
    assert.ok(rested > worked / 2, `${rested} ms after ${worked} ms`);
    assert.ok(fills.length > 1 && fills.every((text) => text.includes("SKIP LOCKED")));
  });

  it("fills nothing behind a BEGIN that fails, and goes on from there", async () => {
    await prepare();
    let stripes = 0;
    const connect = async () =>
      intercepted(await database.connect(), (text, send) => {
        const isBatch = text.startsWith("BEGIN") && text.includes(setFilling);
        // The last of the first batch's: it would fill all that the others have left, and move the cursor.
        return send(isBatch && ++stripes === 3 ? "BEGIN AT ALL" : undefined);
      });
    await assert.rejects(apply({ connect }), /syntax error at or near "AT"/);
    assert.deepEqual(
      await database.query(
        `SELECT (SELECT count(letters) BETWEEN 1 AND 1999 FROM words) AS "areOthersFilled",
                position, rows_seen::int AS seen FROM stateful_cd.backfills`,
      ),
      [{ areOthersFilled: true, position: null, seen: 0 }],
    );
    await apply();
    assert.equal(await wrong(), 0);
  });

  /** Starts a backfill that stands still, paused, before its first row. */
  async function startPaused(options: Partial<ApplyOptions> = {}) {
    await prepare();
    await database.query(`
      CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.paused := true; RETURN NEW; END';
      CREATE TRIGGER pause BEFORE INSERT ON stateful_cd.backfills FOR EACH ROW EXECUTE FUNCTION pause()`);
    const told: string[] = [];
    let applied: Promise<unknown> = Promise.resolve();
    await new Promise<void>((resolve, reject) => {
      const onProgress = ({ message }: Progress): void => {
        told.push(message);
        if (message === "backfill: paused, until stateful_cd.backfills.paused is false") resolve();
      };
      applied = apply({ ...options, onProgress });
      applied.then(() => {
        reject(new Error("it did not pause"));
      }, reject);
    });
    const goOn = () => database.query("UPDATE stateful_cd.backfills SET paused = false");
    return { applied, told, goOn };
  }

  it("stands still while a person has paused it, and goes on afterwards", async () => {
    const { applied, goOn } = await startPaused();
    await sleep(1_000);
    assert.deepEqual(
      await database.query("SELECT rows_seen, position FROM stateful_cd.backfills"),
      [{ rows_seen: "0", position: null }],
    );
    assert.equal(await wrong(), rows);
    assert.equal(await state(), "backfilling");
    await goOn();
    await applied;
    assert.equal(await wrong(), 0);
  });

  it("goes round rows that somebody holds, and fills them once they are free", async () => {
    const { applied, told, goOn } = await startPaused();
    const holder = await database.connect();
    await holder.query("BEGIN; SELECT FROM words WHERE id % 9000 = 5 FOR UPDATE");
    await goOn();
    while (!told.some((message) => message.includes("looked at"))) await sleep(20);
    await holder.query("COMMIT");
    await holder.end();
    await applied;
    assert.equal(await wrong(), 0);
    assert.deepEqual(
      told.filter((message) => message.startsWith("rows that")),
      ["rows that others had held or passed by, now filled: 5"],
    );
  });

  it("gives up on rows that are held for ever, and says by whom", async () => {
    const { applied, goOn } = await startPaused({ tableLockDeadlineSeconds: 1 });
    const holder = await database.connect();
    await holder.query("BEGIN; SELECT FROM words WHERE id = 7 FOR UPDATE");
    await goOn();
    const message = await failureOf(() => applied, folder);
    await holder.query("ROLLBACK");
    await holder.end();
    assert.match(
      message,
      new RegExp(
        [
          "^UserError: Migration 0002-length failed while filling the new columns: rows of public\\.words are held by others: 1\\.",
          "blocked by pid \\d+, user postgres, application .*, idle in transaction for \\d+ s, query: BEGIN; SELECT FROM words WHERE id = 7 FOR UPDATE",
          "Tried for 1 s\\.",
          "Next: wait until the sessions named above have ended, or end them; then run the same command again$",
        ].join("\\n  "),
      ),
    );
    await apply();
    assert.equal(await wrong(), 0);
  });

  it("gives up on a table that is held for ever, and goes on with one that is free again", async () => {
    const { applied, goOn } = await startPaused({ tableLockDeadlineSeconds: 1 });
    const holder = await database.connect();
    const hold = () => holder.query("BEGIN; LOCK TABLE words IN ACCESS EXCLUSIVE MODE");
    await hold();
    await goOn();
    assert.match(
      await failureOf(() => applied, folder),
      /^UserError: Migration 0002-length failed while filling the new columns: canceling statement due to lock timeout \(55P03\)\.\n {2}blocked by pid \d+, user postgres, .* query: BEGIN; LOCK TABLE words IN ACCESS EXCLUSIVE MODE\n {2}Tried for 1 s\.\n {2}Next: wait until the sessions named above/,
    );
    const again = apply();
    await sleep(500);
    await holder.query("ROLLBACK");
    await again;
    await holder.end();
    assert.equal(await wrong(), 0);
  });

  for (const workers of [1, 3]) {
    it(`goes on where it was killed, at every batch, with ${workers} at work`, async function () {
      this.timeout(180_000);
      await prepare(`workers: ${workers}\n`);
      const seen = async (): Promise<number> => {
        const [table] = await database.query("SELECT to_regclass('stateful_cd.backfills') AS t");
        if (table?.t === null) return 0;
        const [found] = await database.query(
          "SELECT coalesce(sum(rows_seen), 0)::int AS n FROM stateful_cd.backfills",
        );
        return Number(found?.n);
      };
      let kills = 0;
      for (let before = 0; kills < 4; kills++) {
        const arguments_ = ["apply", "--folder", folder.path, "--database-url", database.url];
        const child = spawn(process.execPath, [cli, ...arguments_], { stdio: "ignore" });
        const ended = new Promise((resolve) => child.once("exit", resolve));
        while ((await seen()) === before && child.exitCode === null) await sleep(5);
        child.kill("SIGKILL");
        await ended;
        const now = await seen();
        assert.ok(now >= before, `${before} rows were seen, then ${now}`);
        before = now;
        if ((await state()) !== "backfilling") break;
      }
      assert.ok(kills > 0);
      await apply();
      assert.equal(await wrong(), 0);
      assert.equal(await seen(), rows);
      assert.equal(await state(), "verified");
    });
  }

  it("builds the indexes of sync.yaml when the rows are filled, and refuses one that cannot be", async () => {
    await prepare("indexes: { words_letters: [letters, id, nothing] }\n");
    assert.equal(
      await refusal(),
      [
        "UserError: migrations/0002-length/sync.yaml cannot be followed on this database; no trigger was added.",
        'indexes.words_letters: column "nothing" does not exist.',
        "Next: correct sync.yaml or the table, then run the same command again; to change expand.sql, npm run migrations -- abort 0002-length before you do",
      ].join("\n  "),
    );
    write("indexes: { words_letters: [letters, id] }\n");
    const order: string[] = [];
    await apply({ onProgress: ({ message }) => order.push(message) });
    const built = order.findIndex((message) => message.includes('"words_letters"'));
    assert.ok(
      built > order.findIndex((message) => message.includes("looked at")),
      order.join("\n"),
    );
    assert.deepEqual(
      await database.query("SELECT pg_get_indexdef('words_letters'::regclass) AS is"),
      [{ is: "CREATE INDEX words_letters ON public.words USING btree (letters, id)" }],
    );
  });
});
