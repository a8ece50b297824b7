import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { stubOf } from "../../components/dynamic/stub";

/** The part of Pulumi's generated client that these tests call. */
interface ProviderClient {
  check(request: unknown, done: (error: Error | null, answer: Answer) => void): void;
  diff(request: unknown, done: (error: Error | null, answer: Answer) => void): void;
  create(request: unknown, done: (error: Error | null, answer: Answer) => void): void;
  close(): void;
}
interface Answer {
  toObject(): Record<string, unknown>;
  getInputs(): { toJavaScript(): Record<string, unknown> };
  getChanges(): number;
}

const load = createRequire(require.resolve("@pulumi/pulumi"));
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const root = path.resolve(__dirname, "../../..");
const noChange = 1;
const change = 2;

describe("Pulumi's own provider process with our stub", function () {
  this.timeout(30_000);
  let provider: ChildProcess;
  let client: ProviderClient;
  const text = stubOf("migration");
  /** What a person reads beside the plan: the process prints it. */
  const printed: string[] = [];

  before(async () => {
    provider = spawn(
      process.execPath,
      [load.resolve("@pulumi/pulumi/cmd/dynamic-provider"), "127.0.0.1:1"],
      { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
    );
    assert.ok(provider.stdout);
    const lines = createInterface({ input: provider.stdout });
    const port = await new Promise<string>((resolve) => lines.once("line", resolve));
    lines.on("line", (line) => printed.push(line));
    const grpc = load("@grpc/grpc-js") as { credentials: { createInsecure(): unknown } };
    const services = load("@pulumi/pulumi/proto/provider_grpc_pb") as {
      ResourceProviderClient: new (address: string, credentials: unknown) => ProviderClient;
    };
    client = new services.ResourceProviderClient(
      `127.0.0.1:${port}`,
      grpc.credentials.createInsecure(),
    );
  });

  after(() => {
    client.close();
    provider.kill("SIGKILL");
  });

  const database = {
    context: "nowhere",
    namespace: "bookkeeper-test",
    app: "database",
    port: 5432,
    database: "bookkeeper",
    role: "bookkeeper_owner",
    secret: "database",
    secretKey: "owner-password",
  };
  const inputs = {
    database,
    folder: "migrations",
    migration: "0001-bookkeeper",
    digest: "sha256:0",
    deadlineSeconds: 0,
  };

  function request(name: string, fields: Record<string, unknown>): unknown {
    const messages = load("@pulumi/pulumi/proto/provider_pb") as Record<
      string,
      new () => Record<string, (value: unknown) => void>
    >;
    const { Struct } = load("google-protobuf/google/protobuf/struct_pb") as {
      Struct: { fromJavaScript(value: unknown): unknown };
    };
    const Message = messages[name];
    assert.ok(Message);
    const message = new Message();
    for (const [field, value] of Object.entries(fields)) {
      message[`set${field}`]?.(
        typeof value === "object" ? Struct.fromJavaScript({ __provider: text, ...value }) : value,
      );
    }
    return message;
  }

  function ask(method: "check" | "diff" | "create", message: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      client[method](message, (error, answer) => {
        if (error) reject(error);
        else resolve(answer);
      });
    });
  }

  const diff = async (olds: object, news: object): Promise<number> =>
    (await ask("diff", request("DiffRequest", { Id: "x", Olds: olds, News: news }))).getChanges();

  it("keeps only what is declared as inputs", async () => {
    const news = { ...inputs, surprise: 1 };
    const answer = await ask("check", request("CheckRequest", { Olds: {}, News: news }));
    const { __provider, ...kept } = answer.getInputs().toJavaScript();
    assert.equal(__provider, text);
    assert.deepEqual(kept, inputs);
  });

  it("sees no change where nothing that is declared has changed, whatever the outputs say", async () => {
    assert.equal(
      await diff({ ...inputs, schemaFingerprint: "sha256:1", drift: [] }, inputs),
      noChange,
    );
  });

  it("sees a change of the migration's files", async () => {
    assert.equal(await diff(inputs, { ...inputs, digest: "sha256:1" }), change);
  });

  it("sees a change where a refresh has found drift", async () => {
    assert.equal(await diff({ ...inputs, drift: ["table public.menu added"] }, inputs), change);
  });

  it("sees a change as long as something waits", async () => {
    const waiting = ["0002-b: an old release is connected"];
    assert.equal(await diff({ ...inputs, waiting }, inputs), change);
    assert.equal(await diff({ ...inputs, waiting: [] }, inputs), noChange);
  });

  it("previews inputs that are not known yet", async () => {
    const news = { ...inputs, database: unknown };
    await ask("check", request("CheckRequest", { Olds: {}, News: news }));
    assert.equal(await diff(inputs, news), change);
  });

  it("goes on with a preview whose database cannot be asked what a migration locks", async () => {
    const news = { ...inputs, previewOf: database };
    const answer = await ask("check", request("CheckRequest", { Olds: {}, News: news }));
    assert.deepEqual(answer.getInputs().toJavaScript().previewOf, database);
    assert.equal(await diff(inputs, news), noChange);
    assert.match(
      printed.join("\n"),
      /^0001-bookkeeper: what it locks is not known, bookkeeper-test\/bookkeeper cannot be asked: .+$/,
    );
  });

  it("asks no database in a preview for what is applied already, nor one that is yet to be made", async () => {
    printed.length = 0;
    const applied = { ...inputs, previewOf: database };
    await ask("check", request("CheckRequest", { Olds: inputs, News: applied }));
    const unmade = { ...inputs, previewOf: unknown };
    await ask("check", request("CheckRequest", { Olds: {}, News: unmade }));
    assert.deepEqual(printed, []);
  });

  it("refuses files that changed after the plan, and says so in one message", async () => {
    await assert.rejects(
      ask("create", request("CreateRequest", { Properties: inputs })),
      (error: Error & { details?: string }) => {
        assert.match(
          error.details ?? "",
          /^The migration 0001-bookkeeper is not the one that was planned\.\n {2}planned: sha256:0\n {2}now: {5}sha256:[0-9a-f]{64}\n {2}Next: pulumi preview, then pulumi up$/,
        );
        return true;
      },
    );
  });
});
