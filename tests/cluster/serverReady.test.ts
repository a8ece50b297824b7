import { strict as assert } from "node:assert";
import { appendFileSync } from "node:fs";
import { rm, statfs } from "node:fs/promises";
import path from "node:path";
import { removeNamespace } from "../../kube/namespace";
import { awaitServer } from "../../kube/serverReady";
import { run } from "../../local/command";
import { runtime } from "../../local/paths";
import { apply, identity, pod } from "../pods";
import { adminContext as context } from "../testStack";

const namespace = "bookkeeper-server-ready";
const app = "server";
const admin = identity("admin");
const filler = path.join(runtime.pool, "filler");
const piece = Buffer.alloc(1024 ** 2);

/** A server in all but name: one pod on one volume. */
function serverOf(image: string) {
  const { spec } = pod(namespace, app, "sleep infinity", app);
  const [container] = (spec as { containers: object[] }).containers;
  const labels = { "app.kubernetes.io/name": app };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { namespace, name: app },
    spec: {
      replicas: 1,
      serviceName: app,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          ...spec,
          restartPolicy: "Always",
          terminationGracePeriodSeconds: 1,
          containers: [{ ...container, image }],
        },
      },
    },
  };
}
const place = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: namespace, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
};
const claim = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { namespace, name: app },
  spec: { accessModes: ["ReadWriteOncePod"], resources: { requests: { storage: "64Mi" } } },
};

describe("a server that is waited for", function () {
  this.timeout(180_000);

  before(async () => {
    await removeNamespace(context, namespace, 90);
    await apply(admin, place);
  });

  afterEach(makeRoom);
  after(() => removeNamespace(context, namespace, 90));

  const wait = (deadlineSeconds: number, generation: number) =>
    awaitServer({ context, namespace, app, generation, deadlineSeconds });

  it("names a full disk under its volume, and comes up once there is room", async () => {
    await fillPool();
    await apply(admin, claim, serverOf("localhost/base:1"));
    await assert.rejects(
      wait(10, 1),
      /^UserError: StatefulSet bookkeeper-server-ready\/server is not ready after 10 s\.[^]*PersistentVolumeClaim server: ProvisioningFailed: [^\n]*no space left on device[^]*Next: kubectl --context \S+ describe statefulsets server/,
    );
    await makeRoom();
    await wait(120, 1);
  });

  it("names an image that is not there, of the generation that was asked for", async () => {
    await apply(admin, serverOf("localhost/base:none"));
    await assert.rejects(
      wait(20, 2),
      /server-0 waits: (ErrImage|ImagePull)[^]*localhost\/base:none/,
    );
  });
});

let filling: NodeJS.Timeout | undefined;

/** To the last byte, for a volume needs little to begin with, and for good: what was deleted is freed later. */
async function fillPool(): Promise<void> {
  await run("btrfs", ["subvolume", "sync", runtime.pool]);
  const { bavail, bsize } = await statfs(runtime.pool);
  await run("fallocate", ["--length", String(bavail * bsize - 512 * 1024 ** 2), filler]);
  takeTheRest();
  filling = setInterval(takeTheRest, 50);
}

async function makeRoom(): Promise<void> {
  clearInterval(filling);
  await rm(filler, { force: true });
}

function takeTheRest(): void {
  for (;;) {
    try {
      appendFileSync(filler, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") return;
      throw error;
    }
  }
}
