import { errorText } from "../userError";
import { dispatch, type Method } from "../components/dynamic/dispatch";
import type { Kind } from "../components/dynamic/kinds";

/**
 * One call of a dynamic resource in a process of its own, as Pulumi's provider process makes it, so
 * that a test can kill it: `node cloneProcess.js <kind> <method> <arguments as JSON>`.
 */
async function main(): Promise<void> {
  const [kind, method, args] = process.argv.slice(2);
  const result = await dispatch(
    kind as Kind,
    method as Method,
    JSON.parse(args ?? "[]") as unknown[],
  );
  console.log(`result ${JSON.stringify(result)}`);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(errorText(error));
    process.exit(1);
  },
);
