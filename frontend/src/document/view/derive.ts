// incoming, outgoing and flowNodeRef: not stored where they can be derived from flows and lane registers. Mirror of collab/bpmn/repair/derive.py.
import { compare } from "./bytes.ts";
import { isObject, target, type Draft } from "./draft.ts";
import { members, shape } from "./grammar.ts";
import type { Json, Rec, ViewNode } from "./types.ts";

type Ends = Map<string, string[]>;

export function derive(draft: Draft, root: ViewNode, nodes: Map<string, ViewNode>): void {
  const incoming: Ends = new Map();
  const outgoing: Ends = new Map();
  walk(root, (node) => {
    if (node.kind !== "sequenceFlow" || node.key === null) return;
    add(outgoing, target(draft.value(node.key, "@sourceRef")), node.key);
    add(incoming, target(draft.value(node.key, "@targetRef")), node.key);
  });
  const wanted = draft.meta["io"] === "all";
  for (const [key, node] of nodes)
    if (flowNodes().has(node.kind)) {
      list(draft, node, "incoming", "in", incoming.get(key) ?? [], wanted);
      list(draft, node, "outgoing", "out", outgoing.get(key) ?? [], wanted);
    }
  lanes(draft, nodes);
}

const flowNodes = (): ReadonlySet<string> => {
  known ??= new Set([...members("flowElement")].filter((kind) => shape(kind)?.ranks.has("incoming")));
  return known;
};
let known: ReadonlySet<string> | undefined;

function walk(node: ViewNode, visit: (node: ViewNode) => void): void {
  visit(node);
  for (const child of node.children) walk(child, visit);
}

function add(to: Ends, key: string | null, flow: string): void {
  if (key === null) return;
  const flows = to.get(key);
  if (flows) flows.push(flow);
  else to.set(key, [flow]);
}

const strings = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((part): part is string => typeof part === "string") : [];

/** Hides literal entries whose flow ends here no longer, adds the missing ones in the order of `ioo`, then of the file. */
function list(draft: Draft, node: ViewNode, kind: string, side: string, flows: string[], wanted: boolean): void {
  const here = new Set(flows);
  const listed = literal(draft, node, kind, here);
  if (!wanted || flows.length === 0) return;
  const record = draft.nodes.get(node.key as string) as Rec;
  const habit = isObject(record["ioo"]) ? record["ioo"] : {};
  const omitted = new Set(strings(habit["om"]));
  const first = strings(habit[side]).filter((flow) => here.has(flow));
  const ordered = [...new Set([...first, ...flows])].filter((flow) => !listed.has(flow) && !omitted.has(flow));
  insert(
    node,
    kind,
    ordered.flatMap((flow) => reference(draft, node, kind, flow)),
  );
}

function lanes(draft: Draft, nodes: Map<string, ViewNode>): void {
  const held = new Map<string, [pos: string, key: string][]>();
  for (const key of nodes.keys()) {
    const record = draft.nodes.get(key) as Rec;
    for (const name in record) {
      if (!name.startsWith("l:")) continue;
      const [lane, pos] = strings(record[name]);
      if (lane === undefined || !draft.nodes.has(lane)) continue;
      const list = held.get(lane);
      if (list) list.push([pos ?? "", key]);
      else held.set(lane, [[pos ?? "", key]]);
    }
  }
  for (const [key, node] of nodes) {
    if (node.kind !== "lane") continue;
    const entries = (held.get(key) ?? []).sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
    const here = new Set(entries.map(([, member]) => member));
    const listed = literal(draft, node, "flowNodeRef", here);
    if (draft.meta["lref"] === "none") continue;
    insert(
      node,
      "flowNodeRef",
      entries.filter(([, member]) => !listed.has(member)).flatMap(([, member]) => reference(draft, node, "flowNodeRef", member)),
    );
  }
}

/** Drops entries that no longer hold; says which hold. */
function literal(draft: Draft, node: ViewNode, kind: string, here: ReadonlySet<string>): Set<string> {
  const listed = new Set<string>();
  node.children = node.children.filter((child) => {
    if (child.kind !== kind || child.key === null) return true;
    const to = target(draft.nodes.get(child.key)?.["x"]);
    if (to === null) return true;
    if (here.has(to)) listed.add(to);
    return here.has(to);
  });
  return listed;
}

/** What has no id cannot be listed. */
function reference(draft: Draft, owner: ViewNode, kind: string, key: string): ViewNode[] {
  const id = draft.value(key, "@id");
  if (typeof id !== "string") return [];
  const colon = owner.tag.indexOf(":");
  const tag = colon < 0 ? kind : `${owner.tag.slice(0, colon)}:${kind}`;
  const text: ViewNode = { key: null, tag: "#", kind: "#", attributes: [], children: [], text: id };
  return [{ key: null, tag, kind, attributes: [], children: [text] }];
}

/** Puts derived children after everything of lower or equal rank. */
function insert(node: ViewNode, kind: string, made: ViewNode[]): void {
  if (made.length === 0) return;
  const ranks = shape(node.kind)?.ranks;
  const rank = ranks?.get(kind) ?? 0;
  let at = node.children.length;
  while (at > 0) {
    const before = ranks?.get(node.children[at - 1]?.kind ?? "");
    if (before !== undefined && before <= rank) break;
    at--;
  }
  node.children.splice(at, 0, ...made);
}
