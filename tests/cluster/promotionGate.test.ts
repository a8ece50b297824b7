import { strict as assert } from "node:assert";
import { acceptRelease } from "../../engine/acceptance";
import { removeNamespace } from "../../kube/namespace";
import { connectToPostgres } from "../../kube/postgres";
import {
  ask,
  makeClaim,
  makeNamespace,
  makePasswords,
  runKind,
  serverAt,
  startServer,
  stopServer,
} from "../cloneScene";
import { adminContext } from "../testStack";

describe("production's gate", function () {
  this.timeout(180_000);
  const namespace = "bookkeeper-cl-gate";
  const database = serverAt(namespace, "database");

  /** Why a release is refused that nothing has proved, as a preview or an up is told; undefined lets it in. */
  const asked = async (releaseDigest: string, isPreview = false) => {
    const evidence = { stack: "staging" };
    const release = "1.0.0";
    const inputs = { release, releaseDigest, evidence, bootstrap: true, database, isPreview };
    const { status, errors, outputs, lines } = await runKind("promotionGate", "check", [
      {},
      inputs,
    ]);
    assert.equal(status, 0, errors);
    const [failure] = outputs.failures as { reason: string }[];
    const said = lines.filter((line) => !line.startsWith("result ")).join("\n");
    return { refusal: failure?.reason, said };
  };
  const letIn = { refusal: undefined, said: "" };

  before(() => makeNamespace(namespace));
  after(async () => {
    await removeNamespace(adminContext, namespace, 120);
  });

  it("lets a first release in where there is no volume", async () => {
    assert.deepEqual(await asked("sha256:1"), letIn);
  });

  it("does not take silence for a new database: an up is refused, a preview is told", async () => {
    await makePasswords(namespace);
    await makeClaim(namespace, "database", "64Mi");
    const message = [
      "Whether release 1.0.0 may pass is not known.",
      "No pod of bookkeeper-cl-gate/database is ready.",
      "There is no such pod.",
      "The release of a first up that failed may be tried again as it is.",
      "Next: ",
    ].join("\n  ");
    const { refusal = "" } = await asked("sha256:1");
    assert.equal(refusal.slice(0, message.length), message);
    const preview = await asked("sha256:1", true);
    assert.equal(preview.refusal, undefined);
    assert.equal(preview.said, `warning: ${refusal}`);
  });

  it("lets a first release in to a database without a journal, and again once it is accepted", async () => {
    await startServer(namespace, "database");
    await ask(database, "select 1");
    assert.deepEqual(await asked("sha256:1"), letIn);
    const applicationName = "a test";
    const connect = () => connectToPostgres(database, 30, applicationName);
    const options = { connect, target: "a test", applicationName, lockDeadlineSeconds: 30 };
    await acceptRelease(options, "sha256:1");
    assert.deepEqual(await asked("sha256:1"), letIn);
  });

  it("asks for a proof of any other then, though nobody is served", async () => {
    const refusal = [
      "Release 1.0.0 has not been proved: stack staging has run nothing.",
      "Nobody is served by bookkeeper-cl-gate now, but its database is not new: bootstrap is for one that no release was let in to.",
      'Next: pulumi up -s staging with stateful-cd:release: "1.0.0", then this again; or this with the release that was let in before',
    ].join("\n  ");
    for (const isPreview of [true, false]) {
      assert.deepEqual(await asked("sha256:2", isPreview), { refusal, said: "" });
    }
    await stopServer(namespace, "database");
  });
});
