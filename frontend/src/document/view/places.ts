// Where a node may stand: legal containers, the way up from a deleted one, attaching what hung loose. Mirror of collab/bpmn/repair/places.py.
import { sorted } from "./bytes.ts";
import { parentOf, WALK, type Draft } from "./draft.ts";
import { members, shape } from "./grammar.ts";

/** The import refuses 200; what merges make deeper is left out. */
export const DEEPEST = 256;
const CLIMBING = ["flowElement", "artifact", "conversationNode"];
const OTHERS = ["lane", "participant", "messageFlow", "conversationLink"];

/** May this kind live in another container when its own is gone? */
export const climbs = (kind: string): boolean => OTHERS.includes(kind) || CLIMBING.some((head) => members(head).has(kind));

/** May this node have children of that kind? Nobody ("" is above the root) may. */
export const holds = (draft: Draft, key: string, kind: string): boolean =>
  draft.nodes.has(key) && (shape(draft.kind(key))?.ranks.has(kind) ?? false);

/** Shows a node under a parent, with everything live in it. */
export function attach(draft: Draft, key: string, parent: string): void {
  draft.show(key, parent);
  let depth = 1;
  for (let at = draft.parents.get(parent) ?? ""; at !== "" && depth < WALK; at = draft.parents.get(at) ?? "") depth++;
  grow(draft, key, depth);
}

/** Shows everything live under a node that is shown. */
export function grow(draft: Draft, top: string, depth: number): void {
  const open: [string, number][] = [[top, depth]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [at, deep] = next;
    for (const key of draft.below.get(at) ?? []) {
      if (draft.parents.has(key)) continue;
      if (deep >= DEEPEST) {
        draft.report("record", key, `${draft.called(key)} left out: nested too deep`);
        continue;
      }
      draft.show(key, at);
      open.push([key, deep + 1]);
    }
  }
}

/** Where a node goes whose containers are gone: its home, else the first process that may hold it. */
export function home(draft: Draft, key: string): string | null {
  const kind = draft.kind(key);
  const p = draft.record(key)["p"];
  const named = Array.isArray(p) ? p[2] : undefined;
  if (typeof named === "string" && draft.parents.has(named) && holds(draft, named, kind)) return named;
  return sorted(draft.parents.keys()).find((k) => draft.kind(k) === "process" && holds(draft, k, kind)) ?? null;
}

/** The nearest shown container from `start` upwards that may hold this node, else its home. */
export function above(draft: Draft, key: string, start: string | null): string | null {
  const kind = draft.kind(key);
  let at = start;
  for (let step = 0; step < WALK; step++) {
    if (at === null || !draft.nodes.has(at)) break;
    if (draft.parents.has(at) && holds(draft, at, kind)) return at;
    at = (draft.parents.get(at) ?? "") || parentOf(draft.record(at));
  }
  return home(draft, key);
}
