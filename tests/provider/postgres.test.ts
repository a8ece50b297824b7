import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { createDatabase, startedServer, useDatabase } from "../postgres";
import { postgresMajor } from "../postgresServer";

describe("the test server", () => {
  const database = useDatabase();

  it("gives each test a fresh database", async () => {
    await database.query("CREATE TABLE left_over ()");
    const other = await createDatabase();
    assert.deepEqual(await other.query("SELECT to_regclass('left_over') AS found"), [
      { found: null },
    ]);
    await other.drop();
  });

  it("runs the PostgreSQL that was asked for, without root's rights", async () => {
    const [row] = await database.query(
      "SELECT current_setting('server_version_num')::int / 10000 AS major",
    );
    assert.deepEqual(row, { major: postgresMajor });
    const { watchdog } = await startedServer();
    assert.notEqual(
      execFileSync("ps", ["-o", "uid=", "-p", String(watchdog)], { encoding: "utf8" }).trim(),
      "0",
    );
  });

  it("ends with its process, even one that was killed", async function () {
    this.timeout(30000);
    const module = path.join(__dirname, "..", "postgres.js");
    const child = spawn(process.execPath, [
      "-e",
      `globalThis.after = () => undefined;
       require(${JSON.stringify(module)}).startedServer().then((s) => console.log(JSON.stringify(s)));
       setInterval(() => undefined, 1000);`,
    ]);
    const line = await new Promise<string>((resolve) => {
      child.stdout.once("data", (data: Buffer) => {
        resolve(data.toString());
      });
    });
    const { dataFolder } = JSON.parse(line) as { dataFolder: string };
    assert.equal(existsSync(path.join(dataFolder, "postmaster.pid")), true);
    child.kill("SIGKILL");
    for (let attempt = 0; attempt < 100 && existsSync(dataFolder); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(existsSync(path.dirname(dataFolder)), false);
  });
});
