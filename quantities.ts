import * as z from "zod";

/** What a suffix of a Kubernetes quantity of bytes stands for. */
const units = {
  ...{ k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4 },
};

/** A Kubernetes quantity of processors. */
export const cpuQuantity = z
  .string()
  .regex(/^\d+(\.\d+)?m?$/, { error: "must be a Kubernetes quantity like 250m or 2" });

/** A Kubernetes quantity of bytes. Kubernetes takes thousandths of them too; here they are a slip. */
export const byteQuantity = z
  .string()
  .regex(new RegExp(`^\\d+(\\.\\d+)?(${Object.keys(units).join("|")})?$`), {
    error: "must be a Kubernetes quantity of bytes like 512Mi, 10G or 4Gi",
    abort: true,
  });

/** A quantity of bytes as a number. */
export function bytesOf(text: string): number {
  const [, unit] = Object.entries(units).find(([suffix]) => text.endsWith(suffix)) ?? ["", 1];
  return Number.parseFloat(text) * unit;
}
