// A failure in the words of words.ts: what happened and what to do. The only place that looks at error codes.
import { Problem } from "../api.ts";
import { words } from "./words.ts";

const texts: Record<string, unknown> = words.problems;

export function plain(error: unknown): string {
  if (!(error instanceof Problem)) return words.problems.other;
  if (error.code === "rate_limited") return words.problems.rate_limited(Math.max(1, Math.ceil(error.retryAfter ?? 10)));
  const first = error.errors[0];
  if (error.code === "invalid_bpmn" && first?.rule) {
    const known = texts[first.rule];
    if (typeof known === "string") return known;
  }
  if (error.code === "invalid_request" && first?.path) {
    const known = texts[first.path.split(".").at(-1) ?? ""];
    if (typeof known === "string") return known;
  }
  const known = texts[error.code];
  if (typeof known === "string") return known;
  const reference = error.requestId ? ` ${words.problems.reference(error.requestId)}` : "";
  return words.problems.other + reference;
}
