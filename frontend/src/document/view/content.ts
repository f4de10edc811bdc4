// What may stand where and how often, by the grammar: place, single, choice. Mirror of collab/bpmn/repair/content.py.
import { compare, sorted } from "./bytes.ts";
import type { Draft } from "./draft.ts";
import { shape, type Shape } from "./grammar.ts";
import { strip } from "./names.ts";
import { above, climbs } from "./places.ts";
import { remove } from "./sound.ts";

export function content(draft: Draft): void {
  let moved = true;
  for (let round = 0; round < 8 && moved; round++) {
    moved = false;
    for (const key of sorted(draft.parents.keys()))
      if (draft.parents.has(key) && (draft.children.get(key)?.length ?? 0) > 0) moved = places(draft, key) || moved;
  }
  for (const key of sorted(draft.parents.keys())) {
    const known = draft.parents.has(key) && (draft.children.get(key)?.length ?? 0) > 0 ? shape(draft.kind(key)) : null;
    if (!known) continue;
    singles(draft, key, known);
    choices(draft, key, known);
  }
}

function places(draft: Draft, key: string): boolean {
  const kind = draft.kind(key);
  const known = shape(kind);
  if (known === null && !["#", "!", "?"].includes(kind)) return false;
  let moved = false;
  for (const child of sorted(draft.shown(key))) {
    const inner = draft.kind(child);
    if (fits(draft, child, inner, kind, known)) continue;
    const record = draft.record(child);
    if (!draft.fires("place", child, [record["t"], record["p"], draft.record(key)["t"]])) continue;
    const to = climbs(inner) ? above(draft, child, draft.parents.get(key) ?? "") : null;
    const called = draft.called(child);
    const was = draft.called(key);
    if (to === null || inside(draft, to, child)) {
      draft.report("place", child, `${called} hidden: ${was} cannot hold it`, key);
      draft.hide(child);
    } else {
      draft.show(child, to);
      draft.report("place", child, `${called} moved to ${draft.called(to)}: ${was} cannot hold it`, key);
      moved = true;
    }
  }
  return moved;
}

function fits(draft: Draft, child: string, inner: string, kind: string, known: Shape | null): boolean {
  if (inner === "!" || inner === "?") return known !== null;
  if (known === null) return false;
  if (inner === "#") {
    const text = draft.record(child)["x"];
    return known.mixed || typeof text !== "string" || strip(text) === "";
  }
  if (known.ranks.has(inner)) return true;
  return known.any && (inner === "" || inner.includes(":") || kind !== "extensionElements");
}

function inside(draft: Draft, start: string, top: string): boolean {
  for (let key = start; key !== ""; key = draft.parents.get(key) ?? "") if (key === top) return true;
  return false;
}

function singles(draft: Draft, key: string, known: Shape): void {
  const count = new Map<number, string[]>();
  const bounds = known.ranks.get("dc:Bounds");
  if (Array.isArray(draft.record(key)["b"]) && bounds !== undefined) count.set(bounds, [key]);
  for (const child of sorted(draft.shown(key))) {
    const kind = draft.kind(child);
    const most = known.most.get(kind) ?? 0;
    const rank = known.ranks.get(kind);
    if (most === 0 || rank === undefined || !draft.parents.has(child)) continue; // the last: it went with another one
    const before = count.get(rank) ?? [];
    count.set(rank, before);
    if (before.length < most) {
      before.push(child);
      continue;
    }
    const first = before[0] as string;
    const record = draft.record(child);
    if (!draft.fires("single", child, [record["t"], record["p"], first])) continue;
    let text = `${draft.called(child)} hidden: ${draft.called(key)} has one already`;
    if (kind === "extensionElements") {
      for (const inner of draft.shown(child)) draft.show(inner, first);
      text = `second extensionElements of ${draft.called(key)} joined to the first`;
    }
    draft.report("single", child, text, first);
    remove(draft, child);
  }
}

function choices(draft: Draft, key: string, known: Shape): void {
  for (const alternatives of known.choices) {
    const groups: string[][] = alternatives.map(() => []);
    for (const child of sorted(draft.shown(key)))
      alternatives.forEach((kinds, place) => {
        if (kinds.includes(draft.kind(child))) groups[place]?.push(child);
      });
    const present = groups.filter((group) => group.length > 0).sort((a, b) => compare(a[0] as string, b[0] as string));
    const first = present[0]?.[0];
    if (first === undefined) continue;
    for (const child of present.slice(1).flat()) {
      if (!draft.parents.has(child)) continue;
      const record = draft.record(child);
      if (!draft.fires("choice", child, [record["t"], record["p"], first])) continue;
      draft.report("choice", child, `${draft.called(child)} hidden: ${draft.called(first)} was set as well`, first);
      remove(draft, child);
    }
  }
}
