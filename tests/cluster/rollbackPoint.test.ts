import { strict as assert } from "node:assert";
import { removeNamespace } from "../../kube/namespace";
import { list } from "../../kube/objects";
import { deadlineIn, waitFor } from "../../kube/waiting";
import {
  makeClaim,
  makeNamespace,
  orphansInStorage,
  programContext as context,
  runKind,
} from "../cloneScene";
import { adminContext } from "../testStack";

describe("a rollback point", function () {
  this.timeout(120_000);
  const namespace = "bookkeeper-cl-rollback";
  const claim = { kind: "PersistentVolumeClaim", namespace, name: "data" } as const;
  const keep = async (change: string, freshMinutes = 60) => {
    const inputs = {
      context,
      namespace,
      claim: "data",
      change,
      keep: 3,
      freshMinutes,
      deadlineSeconds: 30,
    };
    const { status, errors, outputs } = await runKind("rollbackPoint", "create", [inputs]);
    assert.equal(status, 0, errors);
    return (outputs.outs as { snapshot: string }).snapshot;
  };
  const names = async () =>
    (await list(context, "VolumeSnapshot", { namespace }))
      .map(({ metadata }) => metadata?.name)
      .sort();

  before(() => makeNamespace(namespace));
  after(async () => {
    await removeNamespace(adminContext, namespace, 120);
  });

  it("is not taken where there is no data", async () => {
    assert.equal(await keep("sha256:1"), "");
  });

  it("is taken once for a change, anew for every later one and when it is too old, and only the newest three are kept", async () => {
    await makeClaim(namespace, "data", "64Mi");
    await waitFor(context, claim, deadlineIn(30), "bound", (found) =>
      found?.status?.phase === "Bound" ? true : undefined,
    );
    const first = await keep("sha256:1");
    assert.match(first, /^before-[0-9a-f]{12}-1$/);
    assert.equal(await keep("sha256:1"), first);
    const second = await keep("sha256:2");
    const third = await keep("sha256:1");
    assert.equal(third, first.replace(/-1$/, "-3"));
    assert.deepEqual(await names(), [first, second, third].sort());
    const fourth = await keep("sha256:2");
    assert.deepEqual(await names(), [second, third, fourth].sort());
    const fifth = await keep("sha256:2", 0);
    assert.equal(fifth, fourth.replace(/-4$/, "-5"));
    assert.deepEqual(await names(), [third, fourth, fifth].sort());
    assert.deepEqual(await orphansInStorage(), []);
  });
});
