import { STATUS_CODES } from "node:http";
import { ApiException } from "./clusterClient";

/** A gateway's page of HTML is longer than anybody reads. */
const longestAnswer = 200;
const timedOut = new Set(["AbortError", "TimeoutError"]);

/** What the API server answered, or why it could not be asked, in one line and without headers. */
export function describeApiError(error: unknown): string {
  if (error instanceof ApiException) return answerOf(error.code, error.body as unknown);
  if (error instanceof AggregateError) return error.errors.map(describeApiError).join("; ");
  if (!(error instanceof Error)) return String(error);
  return timedOut.has(error.name) ? "no answer in time" : error.message || error.name;
}

/** The API server's own words; what stands before it answers with anything, or with nothing. */
function answerOf(code: number, body: unknown): string {
  const parsed = typeof body === "string" ? parsedIf(body) : body;
  if (typeof parsed === "object" && parsed !== null && "message" in parsed) {
    return String(parsed.message);
  }
  const status = `HTTP ${code} ${STATUS_CODES[code] ?? ""}`.trim();
  if (typeof body !== "string") return status;
  const text = body
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return text === "" ? status : `${status}: ${text.slice(0, longestAnswer)}`;
}

function parsedIf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
