// The pure view: records in, the XML-shaped tree out, with the list of what had to be shown otherwise. Never writes, knows no yjs.
// The same function is collab/bpmn/repair/ in Python; tests/fixtures/vectors/*.json hold both to one answer.
import { Draft } from "./view/draft.ts";
import { finish } from "./view/tree.ts";
import { reach } from "./view/reach.ts";
import type { Snapshot, View } from "./view/types.ts";

export type { Json, Rec, Repair, Snapshot, View, ViewNode } from "./view/types.ts";
export { compare } from "./view/bytes.ts";

export function view(snapshot: Snapshot): View {
  const draft = new Draft(snapshot);
  reach(draft);
  return finish(draft);
}
