import type * as pulumi from "@pulumi/pulumi";
import type { DatabaseAddress } from "../kube/postgres";
import { DynamicResource } from "./dynamic/stub";

export interface SampleDataArgs {
  readonly database: pulumi.Input<DatabaseAddress>;
  /** The SQL that generates it, relative to the project; it reads sample.rows and sample.seed. */
  readonly file: string;
  /** How many inventory rows. */
  readonly rows: number;
  /** The same seed gives the same rows. */
  readonly seed: string;
  /** The schema it is written for. */
  readonly schemaVersion: pulumi.Input<string>;
}

/** Generated rows for a database that has none; a database with rows is left alone. */
export class SampleData extends DynamicResource {
  declare readonly rows: pulumi.Output<number>;

  constructor(name: string, args: SampleDataArgs, opts?: pulumi.CustomResourceOptions) {
    super("sampleData", name, { ...args }, [], { ...opts, retainOnDelete: true });
  }
}
