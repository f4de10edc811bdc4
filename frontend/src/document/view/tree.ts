// From the draft to the finished tree: child order, folded bounds and waypoints, references by id, derived lists.
// Mirror of collab/bpmn/repair/finish.py.
import { compare } from "./bytes.ts";
import { flagged, isObject, target, type Draft } from "./draft.ts";
import { derive } from "./derive.ts";
import { shape } from "./grammar.ts";
import type { Json, Rec, View, ViewNode } from "./types.ts";

const LAST = 1e9;

interface Placed {
  rank: number | null;
  index: string;
  key: string;
  node: ViewNode;
}

export function finish(draft: Draft): View {
  const nodes = new Map<string, ViewNode>();
  const root = build(draft, draft.root, nodes);
  derive(draft, root, nodes);
  const decl = draft.meta["decl"];
  return {
    declaration: Array.isArray(decl) ? (decl as View["declaration"]) : null,
    prolog: outside(draft.meta["pro"]),
    root,
    epilog: outside(draft.meta["epi"]),
    repairs: draft.repairs,
    nodes,
  };
}

function outside(list: Json | undefined): ViewNode[] {
  const found: ViewNode[] = [];
  for (const entry of Array.isArray(list) ? list : [])
    if (Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "string")
      found.push({ key: null, tag: entry[0], kind: entry[0].charAt(0), attributes: [], children: [], text: entry[1] });
  return found;
}

function build(draft: Draft, key: string, nodes: Map<string, ViewNode>): ViewNode {
  const record = draft.nodes.get(key) as Rec;
  const tag = draft.tag(key);
  const kind = draft.kind(key);
  const node: ViewNode = { key, tag, kind, attributes: [], children: [] };
  nodes.set(key, node);
  const content = record["x"];
  if (kind === "#" || kind === "!" || kind === "?") {
    node.text = typeof content === "string" ? content : "";
    marks(node, record["cd"]);
    return node;
  }
  node.attributes = attributes(draft, key, record);
  const known = shape(kind);
  const placed: Placed[] = [];
  for (const child of draft.children.get(key) ?? []) {
    if (draft.parents.get(child) !== key) continue;
    const childKind = draft.kind(child);
    const p = draft.nodes.get(child)?.["p"];
    const index = Array.isArray(p) && typeof p[1] === "string" ? p[1] : "";
    placed.push({ rank: known?.ranks.get(childKind) ?? null, index, key: child, node: build(draft, child, nodes) });
  }
  for (const folded of unfold(record)) placed.push({ ...folded, rank: known?.ranks.get(folded.node.kind) ?? null });
  node.children = arrange(placed, flagged(record["oo"]) || known === null);
  const text = written(draft, content);
  if (text !== null && text !== "") {
    const child: ViewNode = { key: null, tag: "#", kind: "#", attributes: [], children: [], text };
    marks(child, record["cd"]);
    node.children.unshift(child);
  }
  return node;
}

/** Stable order by (schema rank, index, key). What has no rank (comments, text, foreign) stays before the sibling it precedes. */
function arrange(placed: Placed[], asWritten: boolean): ViewNode[] {
  placed.sort((a, b) => compare(a.index, b.index) || compare(a.key, b.key));
  if (!asWritten) {
    let next = LAST;
    const ranks = new Map<Placed, number>();
    for (let i = placed.length - 1; i >= 0; i--) {
      const child = placed[i] as Placed;
      if (child.rank !== null) next = child.rank;
      ranks.set(child, child.rank ?? next);
    }
    placed.sort((a, b) => (ranks.get(a) as number) - (ranks.get(b) as number));
  }
  return placed.map((child) => child.node);
}

function unfold(record: Rec): { index: string; key: string; node: ViewNode }[] {
  const found: { index: string; key: string; node: ViewNode }[] = [];
  const bounds = texts(record["b"], 6);
  if (bounds) {
    const [tag, index, x, y, width, height] = bounds as [string, string, string, string, string, string];
    const attributes: [string, string][] = [
      ["height", height],
      ["width", width],
      ["x", x],
      ["y", y],
    ];
    found.push({ index, key: "", node: { key: null, tag, kind: "dc:Bounds", attributes, children: [] } });
  }
  const points = texts(record["w"], 4);
  if (points) {
    const [tag, index] = points as [string, string];
    for (let i = 2; i + 1 < points.length; i += 2) {
      const attributes: [string, string][] = [
        ["x", points[i] as string],
        ["y", points[i + 1] as string],
      ];
      found.push({ index, key: "", node: { key: null, tag, kind: "di:waypoint", attributes, children: [] } });
    }
  }
  return found;
}

function texts(value: Json | undefined, least: number): string[] | null {
  return Array.isArray(value) && value.length >= least && value.every((part) => typeof part === "string")
    ? value
    : null;
}

function marks(node: ViewNode, cd: Json | undefined): void {
  if (!Array.isArray(cd)) return;
  const segments = cd.filter(
    (pair): pair is [number, number] =>
      Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "number" && typeof pair[1] === "number",
  );
  let length = 0;
  for (const [part] of segments) length += part;
  if (segments.length > 0 && length === codePoints(node.text ?? "")) node.cdata = segments;
}

/** Lengths are counted as Python does. */
function codePoints(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i += (text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1) count++;
  return count;
}

/** A value as it stands in the file: a reference is written as the id its target has now. */
export function written(draft: Draft, value: Json | undefined): string | null {
  if (typeof value === "string") return value;
  const to = target(value);
  if (to === null) return null;
  const id = identity(draft, to);
  const prefix = isObject(value) ? value["q"] : undefined;
  return typeof prefix === "string" && prefix !== "" ? `${prefix}:${id}` : id;
}

export function identity(draft: Draft, key: string): string {
  const id = draft.nodes.get(key)?.["@id"];
  return typeof id === "string" ? id : key;
}

function attributes(draft: Draft, key: string, record: Rec): [string, string][] {
  const omitted = draft.omitted.get(key);
  const found: [string, string][] = [];
  for (const name in record) {
    if (!name.startsWith("@") || omitted?.has(name)) continue;
    const value = written(draft, record[name]);
    if (value !== null) found.push([name.slice(1), value]);
  }
  return found.sort((a, b) => group(a[0]) - group(b[0]) || compare(a[0], b[0]));
}

function group(name: string): number {
  if (name === "xmlns" || name.startsWith("xmlns:")) return 0;
  if (name === "id") return 1;
  return name === "name" ? 2 : 3;
}
