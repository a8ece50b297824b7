import type * as pulumi from "@pulumi/pulumi";
import { DynamicResource } from "./dynamic/stub";

/** The quarantine and everything raw, made and removed inside one resource. */
export class MaskedSnapshot extends DynamicResource {
  declare readonly content: pulumi.Output<string>;

  constructor(name: string, inputs: pulumi.Inputs, opts: pulumi.CustomResourceOptions) {
    const outputs = [
      "content",
      "snapshot",
      "snapshotHandle",
      "driver",
      "restoreSize",
      "rawLifetimeSeconds",
      "millisecondsByStep",
      "mountedMilliseconds",
      "openMilliseconds",
    ];
    super("maskedSnapshot", name, inputs, outputs, opts);
  }
}
