/**
 * A real PostgreSQL for tests: one server a mocha process, a fresh database a test.
 *
 *   const database = useDatabase();
 *   it("...", async () => { const client = await database.connect(); ... });
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { Client, type ClientConfig } from "pg";
import { type OwnServer, startServer, type TestServer } from "./postgresServer";

let running: Promise<TestServer> | undefined;
const servers: OwnServer[] = [];

/** The server of this mocha process, started at the first call. */
export function startedServer(): Promise<TestServer> {
  running ??= startKept();
  return running;
}

/** A further server that is a standby without a primary: it answers, read-only, for ever. */
export function startStandby(): Promise<TestServer> {
  return startKept((dataFolder) => {
    writeFileSync(path.join(dataFolder, "standby.signal"), "");
  });
}

async function startKept(prepare?: (dataFolder: string) => void): Promise<TestServer> {
  const server = await startServer(prepare);
  servers.push(server);
  return server;
}

after(async function stopServers() {
  this.timeout(20000);
  await Promise.all(servers.map((server) => server.stop()));
});

/** A database of the test server that lives for one test. */
export class TestDatabase {
  readonly #clients: Client[] = [];

  constructor(
    readonly server: TestServer,
    readonly name: string,
  ) {}

  /** How to connect as the superuser; a copy that callers may change. */
  get config(): ClientConfig & { host: string; port: number; user: string; password: string } {
    const { host, port, user, password } = this.server;
    return { host, port, user, password, database: this.name };
  }

  get url(): string {
    const { host, port, user, password } = this.server;
    return `postgresql://${user}:${password}@${host}:${port}/${this.name}`;
  }

  /** A fresh connected session; closed at the end of the test if the test has not done so. */
  connect = async (overrides: ClientConfig = {}): Promise<Client> => {
    const client = new Client({ pipeline: true, ...this.config, ...overrides });
    client.on("error", () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  };

  /** Runs SQL on a session of its own and returns the rows of its (last) statement. */
  async query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    const client = await this.connect();
    try {
      const result = (await client.query<Record<string, unknown>>(sql, values)) as
        { rows: Record<string, unknown>[] } | { rows: Record<string, unknown>[] }[];
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    } finally {
      await client.end();
    }
  }

  async drop(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.end().catch(() => undefined)));
    await onMaintenance(this.server, `DROP DATABASE IF EXISTS "${this.name}" WITH (FORCE)`);
  }
}

async function onMaintenance(server: TestServer, sql: string): Promise<void> {
  const client = new Client({ ...server, database: "postgres" });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

let created = 0;

/** A new empty database, or a copy of `template`. The caller drops it. */
export async function createDatabase(template = "template0"): Promise<TestDatabase> {
  const server = await startedServer();
  const name = `test_${++created}`;
  await onMaintenance(server, `CREATE DATABASE "${name}" TEMPLATE "${template}"`);
  return new TestDatabase(server, name);
}

/** Hooks that give every test of the enclosing `describe` a fresh database. */
export function useDatabase(): Omit<TestDatabase, "drop"> {
  let current: TestDatabase | undefined;
  before(async function startOnce() {
    this.timeout(60000);
    await startedServer();
  });
  beforeEach(async () => {
    current = await createDatabase();
  });
  afterEach(async () => {
    await current?.drop();
    current = undefined;
  });
  const ofThisTest = (): TestDatabase => {
    if (current === undefined) throw new Error("a test database exists only inside a test");
    return current;
  };
  return {
    get name() {
      return ofThisTest().name;
    },
    get url() {
      return ofThisTest().url;
    },
    get config() {
      return ofThisTest().config;
    },
    get server() {
      return ofThisTest().server;
    },
    connect: (overrides) => ofThisTest().connect(overrides),
    query: (sql, values) => ofThisTest().query(sql, values),
  };
}
