import { readFile } from "node:fs/promises";
import type { Client } from "pg";
import { errorText, UserError } from "../../userError";
import { connectToPostgres, nameOf, type DatabaseAddress } from "../../kube/postgres";
import { reportProgress } from "./progress";
import type { ResourceKind } from "./resourceKind";

export interface SampleDataInputs {
  readonly database: DatabaseAddress;
  /** SQL that fills an empty database; it reads sample.rows and sample.seed. */
  readonly file: string;
  readonly rows: number;
  readonly seed: string;
}

const applicationName = "stateful-cd sample data";
const deadlineSeconds = 60;

/** Generated rows, made once in one transaction. The file itself leaves a filled database alone. */
export const sampleData: ResourceKind<SampleDataInputs, object> = {
  identify: ({ database }) => `${nameOf(database)}/sample-data`,
  async reconcile({ database, file, rows, seed }) {
    const report = reportProgress("sample data");
    try {
      const sql = await readFile(file, "utf8");
      report(`generating ${rows} rows in ${nameOf(database)}`);
      await withClient(database, async (client) => {
        await client.query("begin");
        await client.query(
          "select set_config('sample.rows', $1, true), set_config('sample.seed', $2, true)",
          [String(rows), seed],
        );
        await client.query(sql);
        await client.query("commit");
        await client.query("analyze");
      });
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(
        `Cannot generate sample data in ${nameOf(database)}.`,
        [errorText(error), "Nothing was written."],
        `correct ${file} or remove stateful-cd:sampleData, then pulumi up`,
      );
    }
    report("done");
    return {};
  },
  read: () => Promise.resolve({}),
};

async function withClient(
  database: DatabaseAddress,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const client = await connectToPostgres(database, deadlineSeconds, applicationName);
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
