// From the draft to the finished tree: child order, folded bounds and waypoints, references by id, derived lists.
// Mirror of collab/bpmn/repair/finish.py.
import { compare, sorted } from "./bytes.ts";
import { declared, flagged, isObject, target, type Draft } from "./draft.ts";
import { derive } from "./derive.ts";
import { shape } from "./grammar.ts";
import { fit, isTag } from "./names.ts";
import type { Json, Rec, View, ViewNode } from "./types.ts";

const LAST = 1e9;

interface Placed {
  rank: number | null;
  index: string;
  key: string;
  node: ViewNode;
}

type Folded = Omit<Placed, "rank">;

const KNOWN: Record<string, string> = {
  bpmn: "http://www.omg.org/spec/BPMN/20100524/MODEL",
  bpmndi: "http://www.omg.org/spec/BPMN/20100524/DI",
  dc: "http://www.omg.org/spec/DD/20100524/DC",
  di: "http://www.omg.org/spec/DD/20100524/DI",
  xsi: "http://www.w3.org/2001/XMLSchema-instance",
  bioc: "http://bpmn.io/schema/bpmn/biocolor/1.0",
  color: "http://www.omg.org/spec/BPMN/non-normative/color/1.0",
  camunda: "http://camunda.org/schema/1.0/bpmn",
  zeebe: "http://camunda.org/schema/zeebe/1.0",
};
type Prefixes = ReadonlyMap<string, string>;

export function finish(draft: Draft): View {
  const nodes = new Map<string, ViewNode>();
  const root = draft.root === "" ? blank(draft) : build(draft, draft.root, nodes, new Map());
  if (draft.root !== "") derive(draft, root, nodes);
  return {
    declaration: declaration(draft.meta["decl"]),
    prolog: outside(draft.meta["pro"]),
    root,
    epilog: outside(draft.meta["epi"]),
    repairs: draft.repairs,
    nodes,
  };
}

function blank(draft: Draft): ViewNode {
  draft.report("root", "", "the document holds no diagram");
  const attributes: [string, string][] = [
    ["xmlns", KNOWN["bpmn"] as string],
    ["targetNamespace", ""],
  ];
  return { key: null, tag: "definitions", kind: "definitions", attributes, children: [] };
}

function declaration(decl: Json | undefined): View["declaration"] {
  if (!Array.isArray(decl) || typeof decl[0] !== "string") return null;
  const part = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
  return [decl[0], part(decl[1]), part(decl[2])];
}

function outside(list: Json | undefined): ViewNode[] {
  const found: ViewNode[] = [];
  for (const entry of Array.isArray(list) ? list : [])
    if (Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "string") {
      const [tag, text] = entry as [string, string];
      if (tag !== "#" && "!?".includes(tag.charAt(0)) && tag !== "" && isTag(tag))
        found.push({ key: null, tag, kind: tag.charAt(0), attributes: [], children: [], text: fitting(tag, text) });
    }
  return found;
}

/** Text that XML can hold at this place. */
function fitting(tag: string, given: string): string {
  const text = fit(given);
  if (tag === "!") {
    const apart = text.replaceAll("--", "- -").replaceAll("--", "- -");
    return apart.endsWith("-") ? `${apart} ` : apart;
  }
  return tag.startsWith("?") ? text.replaceAll("?>", "? >") : text;
}

function build(draft: Draft, key: string, nodes: Map<string, ViewNode>, outer: Prefixes): ViewNode {
  const record = draft.nodes.get(key) as Rec;
  const tag = draft.tag(key);
  const kind = draft.kind(key);
  const node: ViewNode = { key, tag, kind, attributes: [], children: [] };
  nodes.set(key, node);
  const content = record["x"];
  if (kind === "#" || kind === "!" || kind === "?") {
    node.text = fitting(tag, typeof content === "string" ? content : "");
    marks(node, record["cd"]);
    return node;
  }
  node.attributes = attributes(draft, key, record);
  const folded = unfold(record);
  const scope = declare(draft, key, node, record, outer, folded);
  const known = shape(kind);
  const placed: Placed[] = [];
  for (const child of new Set(draft.children.get(key))) {
    if (draft.parents.get(child) !== key) continue;
    const childKind = draft.kind(child);
    const p = draft.nodes.get(child)?.["p"];
    const index = Array.isArray(p) && typeof p[1] === "string" ? p[1] : "";
    placed.push({ rank: known?.ranks.get(childKind) ?? null, index, key: child, node: build(draft, child, nodes, scope) });
  }
  for (const inner of folded) placed.push({ ...inner, rank: known?.ranks.get(inner.node.kind) ?? null });
  node.children = arrange(placed, flagged(record["oo"]) || known === null);
  const text = written(draft, draft.value(key, "x"));
  if (text !== null && text !== "") {
    const child: ViewNode = { key: null, tag: "#", kind: "#", attributes: [], children: [], text: fit(text) };
    marks(child, record["cd"]);
    node.children.unshift(child);
  }
  return node;
}

/** Declares here what the node, its bounds and waypoints use and its place does not know: it may have moved, or been made. */
function declare(draft: Draft, key: string, node: ViewNode, record: Rec, outer: Prefixes, folded: Folded[]): Prefixes {
  let scope = draft.declaring.has(key) ? new Map([...outer, ...declared(record)]) : outer;
  const own = draft.parents.has(key) ? draft.scope(key).prefixes : new Map<string, string>();
  const tags = [node.tag, ...folded.map((inner) => inner.node.tag)];
  const used = new Set([...tags.map(prefixOf), ...node.attributes.filter(([name]) => name.includes(":")).map(([name]) => prefixOf(name))]);
  let added = false;
  for (const prefix of sorted(used)) {
    if (prefix === "xml" || prefix === "xmlns") continue;
    const wanted = own.get(prefix) ?? (draft.everywhere.get(prefix) || (Object.hasOwn(KNOWN, prefix) ? KNOWN[prefix] : undefined));
    if (wanted === undefined || scope.get(prefix) === wanted || (prefix === "" && !own.has(prefix))) continue;
    scope = new Map([...scope, [prefix, wanted]]);
    const name = prefix === "" ? "xmlns" : `xmlns:${prefix}`;
    node.attributes = [...node.attributes.filter(([other]) => other !== name), [name, wanted]];
    added = true;
  }
  if (added) node.attributes.sort(byName);
  return scope;
}

const prefixOf = (name: string): string => (name.includes(":") ? name.slice(0, name.indexOf(":")) : "");

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

function unfold(record: Rec): Folded[] {
  const found: Folded[] = [];
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
  const segments = cd
    .filter((pair): pair is Json[] => Array.isArray(pair) && pair.length === 2 && pair.every((part) => /^\d+$/.test(String(part))))
    .map((pair): [number, number] => [Number(pair[0]), Number(pair[1])]);
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
  const id = draft.nodes.has(key) ? draft.value(key, "@id") : undefined;
  return typeof id === "string" ? id : key;
}

function attributes(draft: Draft, key: string, record: Rec): [string, string][] {
  const changed = draft.changed.get(key);
  const found: [string, string][] = [];
  for (const name of new Set([...Object.keys(record), ...(changed?.keys() ?? [])])) {
    if (!name.startsWith("@")) continue;
    const value = written(draft, changed?.has(name) ? changed.get(name) : record[name]);
    if (value !== null) found.push([name.slice(1), value]);
  }
  return found.sort(byName);
}

const byName = (a: [string, string], b: [string, string]): number => group(a[0]) - group(b[0]) || compare(a[0], b[0]);

function group(name: string): number {
  if (name === "xmlns" || name.startsWith("xmlns:")) return 0;
  if (name === "id") return 1;
  return name === "name" ? 2 : 3;
}
