import { strict as assert } from "node:assert";
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { cloneIdOf } from "../../components/cloneId";
import { removeNamespace } from "../../kube/namespace";
import { list } from "../../kube/objects";
import { environmentOf } from "../../local/environment";
import { repository } from "../../local/paths";
import {
  ask,
  makeClaim,
  makeNamespace,
  makePasswords,
  orphansInStorage,
  programContext as context,
  serverAt,
  serverImage,
  startServer,
} from "../cloneScene";
import { volumesIn } from "../maskedClone";
import { adminContext, paths } from "../testStack";

const production = "bookkeeper-cld-prod";
const staging = "bookkeeper-cld-staging";
const source = {
  namespace: production,
  claim: "database",
  serverImage,
  releaseDigest: "sha256:old",
  schemaFingerprint: "sha256:schema",
  schemaFingerprintBefore: "",
};
const releaseDigest = "sha256:new";

/** Whether the stack's state has an object of that name, other than as an operation under way. */
function isNoted(state: string, name: string): boolean {
  const { deployment } = JSON.parse(state) as {
    deployment: { resources: { inputs?: { metadata?: { name?: string } } }[] };
  };
  return deployment.resources.some(({ inputs }) => inputs?.metadata?.name === name);
}

const idOf = (generation: number) =>
  cloneIdOf({ releaseDigest, source, namespaceName: staging, generation });

describe("a stack with a DatabaseClone", function () {
  this.timeout(240_000);
  let folder = "";

  /** How the CLI is run on the little program of tests/fixtures/clone-program. */
  function commandOf(generation: number, args: readonly string[], changes: object) {
    const [image = "", version = ""] = serverImage.split(":");
    const cloneArgs = {
      context,
      releaseDigest,
      generation,
      deployer: "stateful-cd",
      database: "bookkeeper-cld",
      namespace: staging,
      namespaceName: staging,
      source,
      credentials: { secret: "database" },
      server: { image, version },
      storage: "1Gi",
      cpu: "100m",
      memory: "256Mi",
      allowUnmasked: true,
      protect: false,
      ...changes,
    };
    const env = {
      ...environmentOf(paths),
      PULUMI_BACKEND_URL: `file://${folder}/state`,
      CLONE_ARGS: JSON.stringify(cloneArgs),
    };
    return { all: [...args, "--stack", "clone", "--non-interactive"], cwd: folder, env };
  }

  async function pulumi(generation: number, args: readonly string[], changes: object = {}) {
    const { all, ...place } = commandOf(generation, args, changes);
    try {
      const options = { ...place, maxBuffer: 1e8 };
      const { stdout, stderr } = await promisify(execFile)("pulumi", all, options);
      return { status: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { status: code, output: stdout + stderr };
    }
  }

  const up = (generation: number, ...more: string[]) =>
    pulumi(generation, ["up", "--yes", "--skip-preview", ...more]);

  /** An `up` that is killed, with all its processes, as soon as this is so. */
  async function upKilledOnce(generation: number, isSo: () => Promise<boolean>) {
    const { all, ...place } = commandOf(generation, ["up", "--yes", "--skip-preview"], {});
    const child = spawn("pulumi", all, { ...place, detached: true, stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("close", resolve));
    while (!(await isSo())) {
      assert.equal(child.exitCode, null, "it has ended before");
      await pause(10);
    }
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await ended;
  }

  /** The contents of clones, the only thing that is left of them outside of staging. */
  const contents = async () =>
    (await list(adminContext, "VolumeSnapshotContent"))
      .filter(({ metadata }) => metadata?.name?.startsWith("bookkeeper-cld-q-"))
      .map(({ metadata }) => metadata?.name);

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "stateful-cd-clone-"));
    await cp(path.join(repository, "tests", "fixtures", "clone-program"), folder, {
      recursive: true,
    });
    await mkdir(path.join(folder, "state"));
    for (const name of ["dist", "node_modules"])
      await symlink(path.join(repository, name), path.join(folder, name));
    await Promise.all([makeNamespace(production), makeNamespace(staging)]);
    await Promise.all([makePasswords(production), makePasswords(staging)]);
    await makeClaim(production, "database", "1Gi");
    await startServer(production, "database");
    const server = serverAt(production, "database");
    await ask(server, 'create role "bookkeeper-cld_owner" login');
    await ask(server, 'create database "bookkeeper-cld" owner "bookkeeper-cld_owner"');
    const made = await pulumi(1, ["stack", "init"]);
    assert.equal(made.status, 0, made.output);
  });

  after(async () => {
    for (const namespace of [production, staging])
      await removeNamespace(adminContext, namespace, 120);
    await rm(folder, { recursive: true });
    assert.deepEqual(await contents(), []);
    assert.deepEqual(await orphansInStorage(), []);
  });

  it("is refused where data is protected, and without consent, in preview already", async () => {
    const isProtected = await pulumi(1, ["preview"], { protect: true });
    assert.notEqual(isProtected.status, 0);
    assert.match(isProtected.output, /A clone would replace the data of a stack that protects it/);
    const unmasked = await pulumi(1, ["preview"], { allowUnmasked: false });
    assert.notEqual(unmasked.status, 0);
    assert.match(unmasked.output, /A clone would show production's data as it is in this stack\./);
  });

  it("comes up with a server on production's data, says that it is unmasked, and is left alone then", async () => {
    const first = await up(1);
    assert.equal(first.status, 0, first.output);
    assert.match(
      first.output,
      /UNMASKED: bookkeeper-cld-staging gets the data of bookkeeper-cld-prod as it is/,
    );
    assert.deepEqual(
      await ask(
        serverAt(staging, "control"),
        "select datname from pg_database where datname like 'bookkeeper%'",
      ),
      [{ datname: "bookkeeper-cld" }],
    );
    const again = await up(1, "--expect-no-changes", "--refresh");
    assert.equal(again.status, 0, again.output);
  });

  it("gets another clone for another generation, and the old one is gone with its snapshot", async () => {
    const next = await up(2);
    assert.equal(next.status, 0, next.output);
    assert.deepEqual(await contents(), [`bookkeeper-cld-q-${idOf(2)}-masked`]);
    assert.deepEqual(await orphansInStorage(), []);
  });

  it("is gone on with by other generations when it was killed over what it had made and not noted", async () => {
    const moments = [
      [3, "VolumeSnapshot", `clone-${idOf(3)}`],
      [4, "PersistentVolumeClaim", `control-${idOf(4)}`],
    ] as const;
    for (const [generation, kind, name] of moments) {
      await upKilledOnce(generation, async () => {
        const found = await list(adminContext, kind, { namespace: staging });
        return found.some(({ metadata }) => metadata?.name === name);
      });
      const { output } = await pulumi(generation, ["stack", "export"]);
      if (kind === "VolumeSnapshot") assert.ok(!isNoted(output, name), `${name} is noted`);
      const cancelled = await pulumi(generation, ["cancel", "--yes"]);
      assert.equal(cancelled.status, 0, cancelled.output);
    }
    const next = await up(5);
    assert.equal(next.status, 0, next.output);
    assert.deepEqual(await volumesIn(staging), [`clone-${idOf(5)}`, `control-${idOf(5)}`]);
    assert.deepEqual(await contents(), [`bookkeeper-cld-q-${idOf(5)}-masked`]);
    assert.deepEqual(await orphansInStorage(), []);
  });

  it("leaves nothing behind when it is destroyed", async () => {
    const destroyed = await pulumi(5, ["destroy", "--yes", "--skip-preview"]);
    assert.equal(destroyed.status, 0, destroyed.output);
    assert.deepEqual(await contents(), []);
    assert.deepEqual(await orphansInStorage(), []);
  });
});
