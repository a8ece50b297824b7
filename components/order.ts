import * as pulumi from "@pulumi/pulumi";

/**
 * The value, handed on only once the others are there. Steps are ordered by what they receive, so
 * that forgetting the order is a type error. A name as `settled` is known in a preview of
 * something new and brings the dependency along; an id is not known until the thing is made, and
 * keeps the preview from asking the cluster about what is in a namespace that does not exist yet.
 */
export function settledWith(
  value: pulumi.Input<string>,
  ...settled: pulumi.Input<unknown>[]
): pulumi.Output<string> {
  return pulumi.all([pulumi.output(value), pulumi.all(settled)]).apply(([kept]) => kept);
}
