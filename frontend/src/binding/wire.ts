// incoming and outgoing of flow nodes: derived from the flows, whatever the file writes; the editor relies on them.
import type { Atlas } from "./atlas.ts";
import type { Page } from "./page.ts";
import type { Thing } from "./types.ts";

export function wire(page: Page, atlas: Atlas): void {
  const ends: [string, Map<Thing, Thing[]>][] = [
    ["incoming", new Map<Thing, Thing[]>()],
    ["outgoing", new Map<Thing, Thing[]>()],
  ];
  const nodes: Thing[] = [];
  for (const [key, node] of page.nodes) {
    const thing = atlas.thing(key);
    if (!thing) continue;
    if (node.kind === "sequenceFlow") {
      collect(ends[0]?.[1], thing["targetRef"], thing);
      collect(ends[1]?.[1], thing["sourceRef"], thing);
    } else if (!thing.$descriptor.isGeneric && thing.$instanceOf("bpmn:FlowNode")) nodes.push(thing);
  }
  for (const [name, found] of ends)
    for (const thing of nodes) {
      const now = thing.get(name) as Thing[];
      const next = found.get(thing) ?? [];
      if (now.length !== next.length || now.some((flow, i) => flow !== next[i])) now.splice(0, now.length, ...next);
    }
}

function collect(into: Map<Thing, Thing[]> | undefined, end: unknown, flow: Thing): void {
  if (!into || typeof end !== "object" || end === null) return;
  const list = into.get(end as Thing);
  if (list) list.push(flow);
  else into.set(end as Thing, [flow]);
}
