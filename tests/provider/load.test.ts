import { strict as assert } from "node:assert";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { checkHistory, type HistoryCheck } from "../../demo/load/checkHistory";
import type { History } from "../../demo/load/history";
import { startLoad } from "../../demo/load/load";
import {
  atEndOfTest,
  contractDatabase,
  pause,
  prepareDatabase,
  startBackend,
  startBalancer,
  startFrontend,
  useBookkeeper,
} from "../bookkeeper";
import { useDatabase } from "../postgres";

describe("the load", function () {
  this.timeout(90_000);
  const database = useDatabase();
  useBookkeeper();

  const check = (history: History) => checkHistory(history, database.connect);
  const verdict = ({ lostWrites, doubledWrites }: HistoryCheck) => [lostWrites, doubledWrites];

  /** A server that answers as it is told to, and its URL. */
  async function startServer(listener: http.RequestListener): Promise<string> {
    const server = http.createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    atEndOfTest(() => {
      server.close();
      server.closeAllConnections();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it("drives 2.0.0 from when it is served, through rollout and contract, without an error", async () => {
    const environment = await prepareDatabase(database, 500, "2.0.0");
    const earlier = await startFrontend((await startBackend(environment)).url);
    const ports = [earlier.port];
    const load = startLoad({ url: await startBalancer(ports), ratePerSecond: 80 });
    await pause(500);
    load.mark("quiet");
    await pause(1_500);
    load.mark("up");
    const backend = await startBackend(environment, "2.0.0");
    const later = await startFrontend(backend.url, {}, "2.0.0");
    ports.splice(0, 1, later.port);
    await pause(500);
    assert.equal(await earlier.stop(), 0);
    await pause(2_500);
    await contractDatabase(database);
    await pause(1_500);
    const { measured, history } = await load.stop();
    assert.deepEqual(measured.firstErrors, []);
    assert.equal(measured.errors, 0);
    assert.ok(measured.reloads > 0);
    assert.deepEqual(Object.keys(measured.byPhase), ["start", "quiet", "up"]);
    assert.ok(measured.byRelease["1.0.0"].requests > 100);
    assert.ok(measured.byRelease["2.0.0"].requests > 100);
    assert.ok((measured.answeredBy["2.0.0"] ?? 0) > measured.byRelease["2.0.0"].requests);
    assert.ok(measured.requests > 400);
    const found = await check(history);
    assert.deepEqual(found.findings, []);
    assert.deepEqual(verdict(found), [0, 0]);
    assert.ok(found.acknowledged > 100);
  });

  it("finds every write that was planted as lost, doubled or refused and done", async () => {
    const backend = await startBackend(
      await prepareDatabase(database, undefined, "2.0.0"),
      "2.0.0",
    );
    const load = startLoad({ url: backend.url, ratePerSecond: 100 });
    await pause(4_000);
    const { history } = await load.stop();
    assert.deepEqual(verdict(await check(history)), [0, 0]);
    const change = history.writes.find(
      ({ what, outcome }) => outcome.kind === "acknowledged" && what.startsWith("PATCH /api/inv"),
    );
    assert.ok(change?.outcome.kind === "acknowledged");
    const [delta] = change.effectOf(change.outcome.receipt).deltas;
    assert.ok(delta !== undefined);
    const { id, name, units } = delta;
    const foreign = "00000000-0000-4000-8000-000000000000";

    /** Does something to the database, checks, and undoes it. */
    async function planted(sql: string, undo: string): Promise<[number[], string | undefined]> {
      await database.query(sql);
      const found = await check(history);
      await database.query(undo);
      return [verdict(found), found.findings[0]];
    }
    const quantity = (by: number) =>
      `UPDATE inventory SET quantity = quantity + ${by} WHERE id = ${id}`;
    const [lost, told] = await planted(quantity(-units), quantity(units));
    assert.deepEqual(lost, [1, 0]);
    assert.match(told ?? "", new RegExp(`^"${name}" \\(${id}\\): expected \\d+, found \\d+\\.$`));
    assert.deepEqual((await planted(quantity(units), quantity(-units)))[0], [0, 1]);
    assert.deepEqual(
      await planted(
        `UPDATE applied_requests SET token = '${foreign}' WHERE token = '${change.token}'`,
        `UPDATE applied_requests SET token = '${change.token}' WHERE token = '${foreign}'`,
      ),
      [[1, 0], `${change.what} was acknowledged, and is not there.`],
    );
    const again = `INSERT INTO inventory (name, quantity, warehouse_id)
      SELECT name, quantity, warehouse_id FROM inventory WHERE id = ${id}`;
    const remove = "DELETE FROM inventory WHERE id = (SELECT max(id) FROM inventory)";
    assert.deepEqual((await planted(again, remove))[0], [0, 1]);
    const { outcome } = change;
    change.outcome = { kind: "refused" };
    const refused = await check(history);
    assert.deepEqual(verdict(refused), [0, 1]);
    assert.deepEqual(refused.findings, [`${change.what} was refused, and is there.`]);
    change.outcome = outcome;
    assert.equal((await planted(remove, "SELECT"))[0][0], 1);
  });

  it("finds a rename that is gone, and an item in another place", async () => {
    const backend = await startBackend(
      await prepareDatabase(database, undefined, "2.0.0"),
      "2.0.0",
    );
    const load = startLoad({ url: backend.url, ratePerSecond: 100 });
    await pause(3_000);
    const { history } = await load.stop();
    assert.deepEqual(verdict(await check(history)), [0, 0]);
    const [{ location } = {}] = await database.query(
      "SELECT location FROM warehouses WHERE id = 1",
    );
    await database.query("UPDATE warehouses SET city = city || ' Old' WHERE id = 1");
    assert.ok((await check(history)).lostWrites >= 1);
    await database.query("UPDATE warehouses SET location = $1 WHERE id = 1", [location]);
    assert.deepEqual(verdict(await check(history)), [0, 0]);
    await database.query(
      "UPDATE inventory SET warehouse_id = 1 WHERE id = (SELECT min(id) FROM inventory WHERE warehouse_id = 2)",
    );
    assert.equal((await check(history)).lostWrites, 1);
  });

  it("counts what is answered with 500 as errors, and says which", async () => {
    const url = await startServer((_request, response) => {
      response.writeHead(500).end('{"title":"Internal error"}');
    });
    const load = startLoad({ url, ratePerSecond: 100 });
    await pause(600);
    const { measured, history } = await load.stop();
    assert.ok(measured.requests > 30, String(measured.requests));
    assert.equal(measured.errors, measured.requests);
    assert.equal(measured.firstErrors.length, 10);
    assert.match(
      measured.firstErrors[0] ?? "",
      /^\d\.\d s: POST \/api\/warehouses: 500 \{"title":"Internal error"\}$/,
    );
    await prepareDatabase(database);
    assert.deepEqual(verdict(await check(history)), [0, 0]);
  });

  it("sees a server that stands still as one stall, and counts from when people asked", async () => {
    let isStill = false;
    const waiting: (() => void)[] = [];
    const url = await startServer((_request, response) => {
      const answer = () => response.writeHead(200, { "x-release": "1.0.0" }).end('{"id":1}');
      if (isStill) waiting.push(answer);
      else answer();
    });
    const load = startLoad({ url, ratePerSecond: 100 });
    load.mark("quiet");
    await pause(600);
    load.mark("up");
    isStill = true;
    await pause(700);
    isStill = false;
    for (const answer of waiting.splice(0)) answer();
    await pause(200);
    const { measured } = await load.stop();
    assert.ok(measured.longestStallMs >= 600, String(measured.longestStallMs));
    assert.ok(measured.p99Ms > 500, String(measured.p99Ms));
    const { quiet } = measured.byPhase;
    assert.ok(quiet !== undefined && quiet.p50Ms < measured.p99Ms);
    const [slowest] = measured.slowest;
    assert.ok(slowest?.phase === "up" && slowest.milliseconds >= 600);
    assert.match(slowest.request, /^(GET|POST|PATCH|DELETE) \/api\//);
    assert.ok(measured.requests > 100);
  });

  it("sends once more what was on its way to a connection that was closing, and counts it apart", async () => {
    const seen = new Set<unknown>();
    const url = await startServer((request, response) => {
      // Every connection serves one request, and is gone when the next one comes.
      if (seen.has(request.socket)) request.socket.destroy();
      else response.writeHead(200).end('{"id":1}');
      seen.add(request.socket);
    });
    const load = startLoad({ url, ratePerSecond: 50 });
    await pause(600);
    const { measured } = await load.stop();
    assert.deepEqual(measured.firstErrors, []);
    assert.ok(measured.retried > 5, String(measured.retried));
  });
});
