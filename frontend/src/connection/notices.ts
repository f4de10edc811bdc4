// What the server says beside the document (Hocuspocus Stateless messages): JSON `{event, diagram, ...}`, a closed list in
// collab/SPEC.md. Anything else is dropped here, so that an old page survives a newer server.

export type Notice =
  | { event: "storage"; ok: boolean }
  | { event: "version"; version: number }
  | { event: "role"; role: string }
  | { event: "deleted" }
  | { event: "drain" };

export function noticeOf(payload: string): Notice | null {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { event, ok, version, role } = value as Record<string, unknown>;
  switch (event) {
    case "storage":
      return { event, ok: ok === true };
    case "version":
      return typeof version === "number" ? { event, version } : null;
    case "role":
      return typeof role === "string" ? { event, role } : null;
    case "deleted":
    case "drain":
      return { event };
    default:
      return null;
  }
}
