import { parseArgs } from "node:util";
import { Client } from "pg";
import { compareData } from "../data/compare";
import { fingerprintDatabase } from "../data/fingerprint";
import { reportFailure } from "./reportFailure";

/** Milliseconds to read a table of seven columns: counted only, fingerprinted, compared. */
interface Figures {
  readonly rows: number;
  readonly countMs: number;
  readonly fingerprintMs: number;
  /** With itself, on two sessions at once. */
  readonly compareMs: number;
}

const repetitions = 5;

/** In a database of its own, made and dropped by it. */
async function measure(url: string, rows: number): Promise<Figures> {
  const name = `stateful_cd_bench_${process.pid}`;
  const own = new URL(url);
  own.pathname = `/${name}`;
  return withClient(url, async (maintenance) => {
    await maintenance.query(`CREATE DATABASE ${name}`);
    try {
      return await withClient(own.href, (first) =>
        withClient(own.href, async (second) => {
          await first.query(
            `CREATE TABLE stock (id bigint PRIMARY KEY, name text, quantity integer,
               price numeric(12, 2), warehouse text, added date, sold boolean);
             INSERT INTO stock SELECT n, 'item ' || n, n % 97, n / 100.0, 'Boston, MA',
               date '2024-01-01' + n % 999, n % 2 = 0 FROM generate_series(1, ${rows}) AS n`,
          );
          await first.query("VACUUM ANALYZE stock");
          return {
            rows,
            countMs: await medianMs(() => first.query("SELECT count(*) FROM stock")),
            fingerprintMs: await medianMs(() => fingerprintDatabase(first)),
            compareMs: await medianMs(() => compareData(first, second, [])),
          };
        }),
      );
    } finally {
      await maintenance.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function medianMs(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < repetitions; count++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return Math.round(times.sort((a, b) => a - b)[Math.floor(repetitions / 2)] ?? Number.NaN);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { "database-url": { type: "string" }, rows: { type: "string", default: "100000" } },
  });
  const url = values["database-url"];
  if (url === undefined) throw new Error("name a server: --database-url postgresql://...");
  console.log(JSON.stringify(await measure(url, Number(values.rows))));
}

main().catch(reportFailure);
