import { apiServer } from "./addresses";
import { readClusterStatus, readOwner } from "./clusterStatus";
import { formatDuration } from "./estimate";
import { type CachePaths } from "./paths";

/** A table with aligned columns: the first row is its heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

/** What runs, since when, what is wrong, and the addresses. */
export async function describeStatus(paths: CachePaths): Promise<string> {
  const status = await readClusterStatus();
  const owner = await readOwner();
  if (status === undefined || owner?.cluster !== paths.cluster) {
    return "The embedded cluster is down.\n  Next: make up";
  }
  const now = Date.now();
  const rows = status.processes.map((process_) => [
    process_.name,
    process_.state,
    process_.pid?.toString() ?? "-",
    formatDuration((now - Date.parse(process_.since)) / 1000),
    process_.restarts.toString(),
    process_.problem ?? "",
  ]);
  return [
    formatTable([["component", "state", "pid", "since", "restarts", "what is wrong"], ...rows]),
    "",
    formatTable([
      ["API server", apiServer],
      ["program", paths.kubeconfig],
      ["administrator", paths.adminKubeconfig],
      ["logs", paths.logs],
      ["supervisor", `pid ${status.supervisor.pid}`],
    ]),
  ].join("\n");
}
