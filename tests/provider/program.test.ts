import { strict as assert } from "node:assert";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { stringify } from "yaml";
import { readContents } from "../../components/releaseContents";
import { SchemaHistory } from "../../components/schemaHistory";
import { chainDigest } from "../../engine/files/digest";
import { loadMigrations } from "../../engine/files/migrationFolder";
import deliver from "../../index";
import { loadRelease } from "../../release";

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly props: Record<string, unknown>;
  readonly opts: pulumi.CustomResourceOptions;
}

/**
 * Everything the program declares for a stack, with the options it is declared with.
 * @param outputs those of every other stack
 */
async function declaredBy(
  stack: string,
  config: Record<string, string>,
  program: () => Promise<unknown> = deliver,
  outputs: Record<string, unknown> = {},
): Promise<Declared[]> {
  const declared: Declared[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ inputs, name, type }) => {
        const state: Record<string, unknown> = {
          "pulumi:pulumi:StackReference": { outputs },
          "pulumi-nodejs:dynamic/stateful-cd:RollbackPoint": { snapshot: "before-1" },
        };
        return { id: `${name}-id`, state: { ...(inputs as object), ...(state[type] ?? {}) } };
      },
      call: ({ inputs }) => inputs as object,
    },
    "stateful-cd",
    stack,
    true,
    "organization",
  );
  pulumi.runtime.setAllConfig(
    Object.fromEntries(Object.entries(config).map(([key, value]) => [`stateful-cd:${key}`, value])),
  );
  await pulumi.runtime.runInPulumiStack(() => {
    pulumi.runtime.registerStackTransformation(({ type, name, props, opts }) => {
      declared.push({ type, name, props: props, opts });
      return { props, opts };
    });
    return program();
  });
  return declared;
}

const config = {
  release: "1.0.0",
  application: "bookkeeper",
  releases: "releases",
  protectData: "true",
  cluster: '{"context":"nowhere","deployer":"stateful-cd"}',
  database: '{"storage":"4Gi","cpu":"250m","memory":"512Mi"}',
  backend: '{"replicas":2}',
  frontend: '{"replicas":2}',
  clone: "{}",
  contract: "{}",
};

/** What staging finds of production. */
const production = {
  release: "1.0.0",
  releaseDigest: "sha256:1",
  verdict: "passed",
  namespace: "bookkeeper-prod",
  claim: "database",
  serverImage: "localhost/postgres:17.9",
  database: {},
  schemaFingerprint: "sha256:2",
  schemaFingerprintBefore: "",
  schemaFingerprintContracted: "sha256:2",
};

describe("the program", function () {
  this.timeout(30_000);
  let folder = "";
  let kubeconfig: string | undefined;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "stateful-cd-program-"));
    kubeconfig = process.env.KUBECONFIG;
    process.env.KUBECONFIG = path.join(folder, "kubeconfig");
    await writeFile(
      process.env.KUBECONFIG,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "nowhere", cluster: { server: "https://127.0.0.1:1" } }],
        users: [{ name: "nobody", user: {} }],
        contexts: [{ name: "nowhere", context: { cluster: "nowhere", user: "nobody" } }],
        "current-context": "nowhere",
      }),
    );
  });

  after(async () => {
    if (kubeconfig === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = kubeconfig;
    await rm(folder, { recursive: true });
  });

  it("protects what production cannot lose: namespace, volume, server, database and its passwords", async () => {
    const declared = await declaredBy("prod", config);
    const kept = declared.filter(({ opts }) => opts.protect).map(({ type }) => type);
    assert.deepEqual(kept.sort(), [
      "kubernetes:apps/v1:StatefulSet",
      "kubernetes:core/v1:Namespace",
      "kubernetes:core/v1:PersistentVolumeClaim",
      "kubernetes:core/v1:Secret",
      "postgresql:index/database:Database",
    ]);
  });

  it("lets go of the logins of releases whose files are gone, and leaves them as they are", async () => {
    const declared = await declaredBy("prod", config);
    const logins = declared.filter(({ name }) => /^database-login-[^-]+$/.test(name));
    const roles = declared.filter(({ name }) => name.startsWith("database-roles-login-"));
    for (const { opts } of [...logins, ...roles]) {
      // Of a component's options Pulumi's engine hands this one on to what is in it.
      assert.deepEqual([opts.protect, opts.retainOnDelete], [undefined, true]);
    }
    assert.deepEqual([logins.length, roles.length], [2, 2]);
  });

  it("protects nothing where the stack says so", async () => {
    const declared = await declaredBy("dev", { ...config, protectData: "false" });
    assert.deepEqual(
      declared.filter(({ opts }) => opts.protect),
      [],
    );
  });

  it("never deletes what a migration has made, one resource a migration, each after the last", async () => {
    const declared = await declaredBy("prod", config);
    const history = declared.filter(({ type }) => /dynamic\/stateful-cd:(Schema|Migr)/.test(type));
    assert.deepEqual(
      history.map(({ name }) => name),
      ["schema-baseline", "schema-0001-bookkeeper"],
    );
    assert.ok(history.every(({ opts }) => opts.retainOnDelete));
    assert.ok(history[1]?.opts.dependsOn !== undefined);
  });

  it("waits for the schema also where all of it is under the baseline", async () => {
    const migrations = path.join(folder, "migrations");
    await cp("migrations/0001-bookkeeper.sql", path.join(migrations, "0001-bookkeeper.sql"));
    const digest = chainDigest(await loadMigrations(migrations));
    const baseline = { through: "0001-bookkeeper", digest };
    await writeFile(path.join(migrations, "baseline.json"), JSON.stringify(baseline));
    const release = stringify({
      ...loadRelease("releases", "1.0.0"),
      migrations: { folder: migrations, last: "0001-bookkeeper" },
    });
    await mkdir(path.join(folder, "releases"));
    await writeFile(path.join(folder, "releases", "1.0.0.yaml"), release);
    const sampleData = '{"rows":1,"seed":"brisket","file":"app/sample-data.sql"}';
    const releases = path.join(folder, "releases");
    const declared = await declaredBy("dev", { ...config, releases, sampleData });
    const { schemaVersion } = declared.find(({ name }) => name === "sample-data")?.props ?? {};
    const before = await (schemaVersion as Dependent).allResources();
    const urns = await Promise.all(
      [...before].map(({ urn }) => (urn as unknown as Dependent).promise()),
    );
    assert.deepEqual(
      urns.map((urn) => urn.split("::").at(-1)),
      ["schema-baseline"],
    );
  });

  it("can take a rollback point before each change of protected data, named after the change", async () => {
    const changing = /dynamic\/stateful-cd:(SchemaBaseline|Migration|Contract)$/;
    const pointsIn = async (stack: string, changes: Record<string, string>) => {
      const declared = await declaredBy(stack, { ...config, ...changes });
      const props = declared.filter(({ type }) => changing.test(type)).map(({ props }) => props);
      return Promise.all(props.map(({ rollbackPoint }) => valueOf(rollbackPoint)));
    };
    const { releaseDigest } = await readContents(loadRelease("releases", "1.0.0"));
    const point = {
      context: "nowhere",
      namespace: "bookkeeper-prod",
      claim: "database",
      change: releaseDigest,
      snapshotClass: undefined,
      keep: 3,
      freshMinutes: 60,
      deadlineSeconds: 120,
    };
    assert.deepEqual(await pointsIn("prod", {}), [point, point, point]);
    const none = [undefined, undefined, undefined];
    assert.deepEqual(await pointsIn("dev", { protectData: "false" }), none);
  });

  it("gives servers, clone and snapshots the time that the stack says they need", async () => {
    const database = '{"storage":"4Gi","cpu":"250m","memory":"512Mi","deadlineSeconds":900}';
    const slow = { ...config, database };
    const clone = { protectData: "false", source: "prod", clone: '{"allowUnmasked":true}' };
    const declared = [
      ...(await declaredBy("prod", slow)),
      ...(await declaredBy("staging", { ...slow, ...clone }, deliver, production)),
    ];
    const waiting = declared.filter(({ type }) =>
      /dynamic\/stateful-cd:(ServerReady|RollbackPoint|MaskedSnapshot)$/.test(type),
    );
    assert.deepEqual(
      waiting.map(({ name, props }) => [name, props.deadlineSeconds]),
      [
        ["database-server-ready", 900],
        ["rollback-point", 900],
        ["clone-masked", 900],
        ["clone-control-server-ready", 900],
        ["database-server-ready", 900],
      ],
    );
  });

  it("lets a migration's run go on with the plain ones that directly follow it", async () => {
    const declared = await declaredBy("prod", config, () => {
      const plain = (id: string, isPlain = true) =>
        ({ id, digest: `sha256:${id}`, isPlain }) as const;
      new SchemaHistory("schema", {
        database: { context: "nowhere", namespace: "n", app: "database", port: 5432 } as never,
        folder: "migrations",
        releaseDigest: "sha256:1",
        migrations: [plain("1-a"), plain("2-b"), plain("3-c"), plain("4-d", false), plain("5-e")],
      });
      return Promise.resolve();
    });
    const migrations = declared.filter(({ type }) => type.endsWith(":Migration"));
    assert.deepEqual(
      migrations.map(({ props }) => (props.ahead as { through: string } | undefined)?.through),
      ["3-c", "3-c", undefined, undefined, undefined],
    );
  });

  it("has one resource for all repeatable files, after the last migration", async () => {
    let version: pulumi.Output<string> | undefined;
    const declared = await declaredBy("prod", config, () => {
      const database = {
        ...{ context: "nowhere", namespace: "n", app: "database", port: 5432 },
        ...{ database: "bookkeeper", role: "owner", secret: "s", secretKey: "k" },
      };
      const history = new SchemaHistory("schema", {
        ...{ database, folder: "migrations", releaseDigest: "sha256:1" },
        migrations: [{ id: "0001-a", digest: "sha256:2", isPlain: true }],
        repeatables: "sha256:3",
      });
      version = history.version;
      return Promise.resolve();
    });
    const last = declared.at(-1);
    assert.deepEqual(
      [last?.name, last?.props.digest, last?.props.through, last?.opts.retainOnDelete],
      ["schema-repeatable", "sha256:3", "0001-a", true],
    );
    const [urn] = await Promise.all(
      [last?.opts.dependsOn as pulumi.Resource].map(
        (resource) => new Promise<string>((resolve) => resource.urn.apply(resolve)),
      ),
    );
    assert.match(urn ?? "", /::schema-0001-a$/);
    assert.equal(declared.filter(({ type }) => type.endsWith(":Repeatables")).length, 1);
    const known = version as unknown as { promise(): Promise<string> };
    assert.equal(await known.promise(), "0001-a");
  });

  it("lets a preview look at the database that migrations are pending for", async () => {
    const declared = await declaredBy("prod", config);
    const migrations = declared.filter(({ type }) => type.endsWith(":Migration"));
    assert.ok(migrations.length > 0);
    for (const { props } of migrations) {
      const address = pulumi.output(props.previewOf) as unknown as {
        promise(): Promise<{ database: string }>;
      };
      assert.equal((await address.promise()).database, "bookkeeper");
    }
  });

  it("names every child after its parent", async () => {
    for (const { name, opts } of await declaredBy("prod", config)) {
      const { parent } = opts;
      if (!parent || !(parent instanceof pulumi.Resource)) continue;
      const urn = await new Promise<string>((resolve) => parent.urn.apply(resolve));
      const parentName = urn.split("::").at(-1) ?? "";
      if (urn.includes("pulumi:pulumi:Stack")) continue;
      assert.ok(name.startsWith(parentName), `${name} is a child of ${parentName}`);
    }
  });

  it("runs every pod under Pod Security restricted", async () => {
    const declared = await declaredBy("prod", config);
    const workloads = declared.filter(({ type }) => /:(Deployment|StatefulSet)$/.test(type));
    assert.equal(workloads.length, 4);
    for (const { name, props } of workloads) {
      const { template } = props.spec as { template: { spec: PodSpec } };
      assert.equal(template.spec.securityContext.runAsNonRoot, true, name);
      for (const container of template.spec.containers) {
        assert.equal(container.securityContext.allowPrivilegeEscalation, false, name);
        assert.deepEqual(container.securityContext.capabilities, { drop: ["ALL"] }, name);
      }
    }
  });

  it("lets pods be reached by those who need them alone, and the clone that nothing touches by none", async () => {
    const clone = '{"allowUnmasked":true}';
    const staging = { ...config, protectData: "false", source: "prod", clone };
    const declared = await declaredBy("staging", staging, deliver, production);
    const policies = declared.filter(({ type }) => type.endsWith(":NetworkPolicy"));
    const pods = (app: string, release?: string) => ({
      podSelector: {
        matchLabels: {
          "app.kubernetes.io/name": app,
          ...(release === undefined ? {} : { "app.kubernetes.io/version": release }),
        },
      },
    });
    const policyTypes = ["Ingress", "Egress"];
    const dns = [
      { protocol: "UDP", port: 53 },
      { protocol: "TCP", port: 53 },
    ];
    const system = { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } };
    assert.deepEqual(Object.fromEntries(policies.map(({ name, props }) => [name, props.spec])), {
      "environment-default-traffic": {
        podSelector: {},
        policyTypes,
        egress: [{ to: [{ namespaceSelector: system }], ports: dns }],
      },
      "clone-control-server-traffic": {
        ...{ ...pods("control"), policyTypes },
        ...{ ingress: [], egress: [] },
      },
      "database-server-traffic": {
        ...{ ...pods("database"), policyTypes },
        ingress: [{ from: [pods("pooler")], ports: [{ port: 5432 }] }],
        egress: [],
      },
      "database-pooler-traffic": {
        ...{ ...pods("pooler"), policyTypes },
        ingress: [{ from: [pods("backend")], ports: [{ port: 5432 }] }],
        egress: [{ to: [pods("database")] }],
      },
      "backend-1.0.0-traffic": {
        ...{ ...pods("backend", "1.0.0"), policyTypes },
        ingress: [{ from: [pods("frontend")], ports: [{ port: 8080 }] }],
        egress: [{ to: [pods("pooler")] }],
      },
      "frontend-1.0.0-traffic": {
        ...{ ...pods("frontend", "1.0.0"), policyTypes },
        ingress: [{ ports: [{ port: 8080 }] }],
        egress: [{ to: [pods("backend")] }],
      },
    });
  });

  it("refuses a context that the kubeconfig does not have, and names those it has", async () => {
    await assert.rejects(
      declaredBy("prod", { ...config, cluster: '{"context":"elsewhere"}' }),
      (error: Error) =>
        error.message ===
        [
          'The kubeconfig has no context "elsewhere".',
          "It has: nowhere.",
          'Next: make up && eval "$(make -s env)" for the embedded cluster, or STATEFUL_CD_CONTEXT=<one of these>',
        ].join("\n  "),
    );
  });
});

function valueOf(input: unknown): Promise<unknown> {
  return (pulumi.output(input) as unknown as { promise(): Promise<unknown> }).promise();
}

/** What an output of Pulumi's knows beyond its declared type. */
interface Dependent {
  promise(): Promise<string>;
  allResources(): Promise<Set<pulumi.Resource>>;
}

interface PodSpec {
  readonly securityContext: { readonly runAsNonRoot: boolean };
  readonly containers: readonly {
    readonly securityContext: {
      readonly allowPrivilegeEscalation: boolean;
      readonly capabilities: unknown;
    };
  }[];
}
