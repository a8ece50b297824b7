import * as pulumi from "@pulumi/pulumi";
import type { Kind } from "./kinds";

/**
 * The provider as Pulumi stores it in every resource's state: text, and so nothing but one call
 * into the build. Whatever text an old state carries, the code that runs is today's: no migration
 * is ever stuck on the provider it was created with (pulumi/pulumi#16826). The provider process
 * runs in the folder of `main`, which the relative path starts from.
 *
 * `dynamic.Resource` would make its text by analysing functions and what they capture, with six
 * times the bytes, twice in the state of each resource.
 */
export function stubOf(kind: Kind): string {
  return `exports.handler = () => {
  const call = (method) => (...args) =>
    require("./dist/components/dynamic/dispatch.js").dispatch(${JSON.stringify(kind)}, method, args);
  const methods = ["check", "diff", "create", "update", "read", "delete"];
  return Object.fromEntries(methods.map((method) => [method, call(method)]));
};
`;
}

/** A resource whose life cycle is code of ours: what `dynamic.Resource` is, with a text of our own. */
export abstract class DynamicResource extends pulumi.CustomResource {
  /**
   * @param kind which implementation in components/dynamic/ it has
   * @param outputs names of outputs that are not inputs
   */
  constructor(
    kind: Kind,
    name: string,
    inputs: pulumi.Inputs,
    outputs: readonly string[],
    opts: pulumi.CustomResourceOptions,
  ) {
    const type = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
    const unknown = Object.fromEntries(outputs.map((output) => [output, undefined]));
    const properties = { ...unknown, ...inputs, __provider: stubOf(kind) };
    super(`pulumi-nodejs:dynamic/stateful-cd:${type}`, name, properties, opts);
  }
}
