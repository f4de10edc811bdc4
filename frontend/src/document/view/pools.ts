// Collaborations and participants: one collaboration a plane, one participant a process. Mirror of collab/bpmn/repair/pools.py.
import { sorted } from "./bytes.ts";
import { target, type Draft } from "./draft.ts";
import { remove } from "./sound.ts";

const CREATED = /^(~[0-9a-z]+\.[0-9a-z]+|.+\/collaboration)$/;

/** Joins collaborations nobody draws, then looks at whose process is whose. */
export function pools(draft: Draft): void {
  const shown = sorted(draft.parents.keys());
  const drawn = shown
    .filter((key) => draft.kind(key) === "bpmndi:BPMNPlane")
    .map((key) => target(draft.value(key, "@bpmnElement")))
    .filter((to) => to !== null && draft.parents.has(to)) as string[];
  const keeper = drawn.find((key) => draft.kind(key) === "collaboration");
  for (const key of shown) {
    if (draft.kind(key) !== "collaboration" || keeper === undefined || drawn.includes(key) || !CREATED.test(key)) continue;
    const inner = draft.shown(key);
    if (inner.length === 0 || !draft.fires("pool", key, [draft.record(key)["p"], keeper])) continue;
    for (const child of inner) draft.show(child, keeper);
    draft.report("pool", key, `${draft.called(key)} joined to ${draft.called(keeper)}, which is drawn`, keeper);
    remove(draft, key);
  }
  participants(draft);
}

function participants(draft: Draft): void {
  const owner = new Map<string, string>();
  for (const key of sorted(draft.parents.keys())) {
    if (draft.kind(key) !== "participant") continue;
    const process = target(draft.value(key, "@processRef"));
    if (process === null || !draft.parents.has(process)) continue;
    const place = `${draft.parents.get(key) ?? ""}\0${process}`;
    const first = owner.get(place) ?? key;
    owner.set(place, first);
    if (first === key || !draft.fires("pool", key, [draft.record(key)["@processRef"], first])) continue;
    draft.change(key, "@processRef", null);
    draft.report("pool", key, `${draft.called(key)} shown as an empty pool: ${draft.name(process)} belongs to ${draft.name(first)}`, first);
  }
}
