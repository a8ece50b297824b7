import * as pulumi from "@pulumi/pulumi";

/**
 * The value, handed on only once the others are there. Steps are ordered by what they receive, so
 * that forgetting the order is a type error. Give names rather than ids as `settled`: a name is
 * known in a preview already and brings the same dependency along.
 */
export function settledWith(
  value: pulumi.Input<string>,
  ...settled: pulumi.Input<unknown>[]
): pulumi.Output<string> {
  return pulumi.all([pulumi.output(value), pulumi.all(settled)]).apply(([kept]) => kept);
}
