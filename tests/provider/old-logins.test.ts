import { strict as assert } from "node:assert";
import { oldLogins } from "../../components/dynamic/oldLogins";
import { useDatabase } from "../postgres";

describe("the logins that may use an old shape", () => {
  const database = useDatabase();

  it("are those of all other releases, also of one whose file is gone, and of nobody else", async () => {
    const group = `${database.name}_app`;
    const login = (release: string) => `${group}_${release}`;
    const roles = ["0_9_0", "1_0_0", "2_0_0"].map(login);
    await database.query(
      `CREATE ROLE ${group};
       ${roles.map((role) => `CREATE ROLE ${role} LOGIN IN ROLE ${group};`).join("\n")}
       CREATE ROLE ${login("stranger")} LOGIN;
       CREATE ROLE ${database.name}_analyst LOGIN IN ROLE ${group};`,
    );
    const others = [{ name: login("1_0_0"), knows: "0001-a" }];
    const client = await database.connect();
    assert.deepEqual(await oldLogins(client, { group, own: login("2_0_0"), others }), [
      { name: login("1_0_0"), knows: "0001-a" },
      { name: login("0_9_0") },
    ]);
  });
});
