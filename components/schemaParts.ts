import type * as pulumi from "@pulumi/pulumi";
import { DynamicResource } from "./dynamic/stub";

// What a SchemaHistory consists of. Deleting one of them touches neither the database nor its data.

/** The journal, and everything at or before the baseline. Its refresh compares the whole schema. */
export class SchemaBaseline extends DynamicResource {
  declare readonly through: pulumi.Output<string>;
  declare readonly schemaFingerprint: pulumi.Output<string>;

  constructor(name: string, inputs: pulumi.Inputs, opts: pulumi.CustomResourceOptions) {
    super("schemaBaseline", name, inputs, ["schemaFingerprint"], opts);
  }
}

/** One migration. */
export class Migration extends DynamicResource {
  declare readonly migration: pulumi.Output<string>;
  declare readonly schemaFingerprint: pulumi.Output<string>;

  constructor(name: string, inputs: pulumi.Inputs, opts: pulumi.CustomResourceOptions) {
    super("migration", name, inputs, ["schemaFingerprint"], opts);
  }
}

/** Views and functions, after the last migration. */
export class Repeatables extends DynamicResource {
  declare readonly through: pulumi.Output<string>;
  declare readonly schemaFingerprint: pulumi.Output<string>;

  constructor(name: string, inputs: pulumi.Inputs, opts: pulumi.CustomResourceOptions) {
    super("repeatables", name, inputs, ["schemaFingerprint", "leftOver"], opts);
  }
}
