// Which records hang on the root, and what happens to those that do not: record, root, cycle, parent. Mirror of collab/bpmn/repair/reach.py.
import { sorted } from "./bytes.ts";
import { flagged, parentOf, WALK, type Draft } from "./draft.ts";
import { isTag } from "./names.ts";
import { above, attach, climbs, grow, home } from "./places.ts";
import type { Rec } from "./types.ts";

export function reach(draft: Draft): void {
  for (const [key, record] of [...draft.nodes]) {
    if (!readable(record)) {
      draft.nodes.delete(key);
      draft.report("record", key, `record ${key} left out: it cannot be read`);
      continue;
    }
    const parent = parentOf(record);
    if (flagged(record["d"]) || parent === null) continue;
    const list = draft.below.get(parent);
    if (list) list.push(key);
    else draft.below.set(parent, [key]);
  }
  findRoot(draft);
  if (draft.root === "") return;
  draft.parents.set(draft.root, "");
  grow(draft, draft.root, 0);
  const lost = [...draft.nodes].filter(([key, record]) => !draft.parents.has(key) && !flagged(record["d"])).map(([key]) => key);
  for (const key of rings(draft, lost)) unring(draft, key);
  for (const key of lost) {
    climb(draft, top(draft, key));
    climb(draft, key);
  }
}

function readable(record: Rec): boolean {
  const { t, p } = record;
  if (typeof t !== "string" || !isTag(t)) return false;
  return p === undefined || p === null || (Array.isArray(p) && p.length >= 1 && (p[0] === null || typeof p[0] === "string"));
}

function findRoot(draft: Draft): void {
  const named = draft.meta["root"];
  if (typeof named === "string" && draft.nodes.has(named)) {
    draft.root = named;
    return;
  }
  const found = [...draft.nodes.keys()].filter((key) => draft.kind(key) === "definitions");
  const [first] = found;
  if (first === undefined) return;
  draft.root = found.find((key) => !draft.nodes.has(parentOf(draft.record(key)) ?? "\0")) ?? first;
  draft.report("root", draft.root, `${draft.called(draft.root)} taken as the root: the document names none`);
}

/** The smallest live key of each ring of parents. */
function rings(draft: Draft, lost: string[]): string[] {
  const seen = new Set<string>();
  const found: string[] = [];
  for (const start of lost) {
    const path: string[] = [];
    let at: string | null = start;
    while (at !== null && draft.nodes.has(at) && !seen.has(at) && !path.includes(at)) {
      path.push(at);
      at = parentOf(draft.record(at));
    }
    if (at !== null && path.includes(at)) {
      const live = path.slice(path.indexOf(at)).filter((key) => !flagged(draft.record(key)["d"]));
      found.push(...sorted(live).slice(0, 1));
    }
    for (const key of path) seen.add(key);
  }
  return sorted(found);
}

function unring(draft: Draft, key: string): void {
  const to = home(draft, key);
  if (draft.parents.has(key) || to === null) return;
  attach(draft, key, to);
  draft.report("cycle", key, `${draft.called(key)} moved to ${draft.called(to)}: it had been moved into its own content`, to);
}

/** The highest live ancestor below the deleted one: what hangs together climbs together. */
function top(draft: Draft, start: string): string {
  let key = start;
  for (let step = 0; step < WALK; step++) {
    const parent = parentOf(draft.record(key));
    const upper = parent === null ? undefined : draft.nodes.get(parent);
    if (parent === null || !upper || flagged(upper["d"]) || draft.parents.has(parent)) break;
    key = parent;
  }
  return key;
}

function climb(draft: Draft, key: string): void {
  if (draft.parents.has(key) || !climbs(draft.kind(key))) return;
  const gone = parentOf(draft.record(key));
  const to = above(draft, key, gone);
  const why = `${draft.called(gone ?? "")}, which held it, ${draft.gone(gone ?? "")}`;
  if (to === null) {
    draft.report("parent", key, `${draft.called(key)} hidden: ${why}`, gone);
    return;
  }
  attach(draft, key, to);
  draft.report("parent", key, `${draft.called(key)} moved to ${draft.called(to)}: ${why}`, gone);
}
