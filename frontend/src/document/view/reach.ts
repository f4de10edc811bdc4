// Which records hang on the root. Mirror of collab/bpmn/repair/reach.py.
import { flagged, type Draft } from "./draft.ts";

export function reach(draft: Draft): void {
  const below = new Map<string, string[]>();
  for (const [key, record] of draft.nodes) {
    if (flagged(record["d"])) continue;
    const p = record["p"];
    if (!Array.isArray(p) || typeof p[0] !== "string") continue;
    const list = below.get(p[0]);
    if (list) list.push(key);
    else below.set(p[0], [key]);
  }
  const root = draft.meta["root"];
  draft.root = typeof root === "string" ? root : "";
  draft.parents.set(draft.root, "");
  const open = [draft.root];
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const child of below.get(at) ?? []) {
      draft.show(child, at);
      open.push(child);
    }
}
