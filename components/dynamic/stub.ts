import type { dynamic } from "@pulumi/pulumi";
import type * as implementation from "./dispatch";
import type { Kind, Method } from "./dispatch";

/**
 * The provider that Pulumi turns into text and stores in every resource's state, so it holds
 * nothing but one call into the build. Whatever text an old state carries, the code that runs is
 * today's: no migration is ever stuck on the provider it was created with (pulumi/pulumi#16826).
 * The provider process runs in the folder of `main`, which the relative path starts from.
 */
export function createStub(kind: Kind): dynamic.ResourceProvider {
  const call = (method: Method, args: unknown[]): Promise<never> =>
    (require("./dist/components/dynamic/dispatch.js") as typeof implementation).dispatch(
      kind,
      method,
      args,
    ) as Promise<never>;
  return {
    check: (olds, news) => call("check", [olds, news]),
    diff: (id, olds, news) => call("diff", [id, olds, news]),
    create: (inputs) => call("create", [inputs]),
    update: (id, olds, news) => call("update", [id, olds, news]),
    read: (id, outputs) => call("read", [id, outputs]),
    delete: (id, outputs) => call("delete", [id, outputs]),
  };
}
