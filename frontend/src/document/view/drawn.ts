// Diagram interchange: one shape or edge of an element on a plane, and none missing: twice, drawn. Mirror of collab/bpmn/repair/drawn.py.
import { compare, sorted } from "./bytes.ts";
import { target, type Draft } from "./draft.ts";
import { members, PREFIXES } from "./grammar.ts";
import { NUMBER, strip } from "./names.ts";
import { attach } from "./places.ts";
import { collect, remove } from "./sound.ts";
import type { Json, Rec } from "./types.ts";

const MADE = /^~[0-9a-z]+\.[0-9a-z]+$/;
const EDGES = new Set(["sequenceFlow", "messageFlow", "association", "conversationLink"]);
const SIZES: Record<string, [number, number]> = {
  participant: [600, 250],
  dataObjectReference: [36, 50],
  dataStoreReference: [50, 50],
  textAnnotation: [100, 30],
  group: [300, 300],
};
type Box = [x: number, y: number, width: number, height: number];

/** How big a new shape of this kind is; null for what is not drawn as a shape. */
function size(kind: string): [number, number] | null {
  const known = Object.hasOwn(SIZES, kind) ? SIZES[kind] : undefined;
  if (known) return known;
  if (kind.endsWith("Event")) return [36, 36];
  if (kind.endsWith("Gateway")) return [50, 50];
  const drawn = members("flowElement").has(kind) || members("conversationNode").has(kind);
  return drawn && kind !== "dataObject" && kind !== "sequenceFlow" ? [100, 80] : null;
}

/** Hides the second shape of an element on one plane. */
export function twice(draft: Draft): void {
  const seen = new Map<string, string>();
  for (const key of sorted(draft.parents.keys())) {
    if (!["bpmndi:BPMNShape", "bpmndi:BPMNEdge"].includes(draft.kind(key))) continue;
    const element = target(draft.value(key, "@bpmnElement"));
    if (element === null) continue;
    const band = target(draft.value(key, "@choreographyActivityShape"));
    const place = JSON.stringify([draft.parents.get(key), element, band]);
    const first = seen.get(place) ?? key;
    seen.set(place, first);
    if (first === key || !draft.fires("twice", key, [draft.record(key)["@bpmnElement"], first])) continue;
    draft.report("twice", key, `${draft.called(key)} hidden: ${draft.name(element)} is drawn already`, first);
    remove(draft, key);
  }
}

/** Gives every visible element of the editor its shape. In what is drawn again more can be seen: once more. */
export function drawn(draft: Draft): void {
  const paper = new Paper(draft);
  const looked = new Set<string>();
  for (;;) {
    const missing = sorted(draft.parents.keys()).filter((key) => !looked.has(key) && paper.lacks(key));
    if (missing.length === 0) break;
    for (const key of missing) looked.add(key);
    for (const key of missing) if (size(draft.kind(key)) !== null) paper.drawShape(key);
  }
  for (const key of sorted(looked)) if (EDGES.has(draft.kind(key))) paper.drawEdge(key);
}

class Paper {
  /** element -> its first shown shape or edge */
  private readonly di = new Map<string, string>();
  /** element -> a shape or edge that was deleted */
  private readonly dead = new Map<string, string>();
  /** container -> plane that shows it */
  private readonly planes = new Map<string, string>();

  constructor(private readonly draft: Draft) {
    for (const key of draft.nodes.keys()) {
      const kind = draft.kind(key);
      const element = target(draft.value(key, "@bpmnElement"));
      if (element === null) continue;
      if (kind === "bpmndi:BPMNShape" || kind === "bpmndi:BPMNEdge") once(draft.parents.has(key) ? this.di : this.dead, element, key);
      else if (kind === "bpmndi:BPMNPlane" && draft.parents.has(key)) once(this.planes, element, key);
    }
    for (const key of sorted(draft.parents.keys())) {
      if (draft.kind(key) !== "participant") continue;
      const plane = this.planes.get(draft.parents.get(key) ?? "");
      const process = target(draft.value(key, "@processRef"));
      if (plane !== undefined && process !== null) once(this.planes, process, plane);
    }
  }

  /** Is this an element that should be drawn and is not? */
  lacks(key: string): boolean {
    if (this.di.has(key) || !(this.dead.has(key) || MADE.test(key))) return false;
    const kind = this.draft.kind(key);
    if (size(kind) === null && !EDGES.has(kind)) return false;
    const reading = [this.draft.record(key)["t"], this.draft.parents.get(key)];
    return this.plane(key) !== null && this.draft.fires("drawn", key, reading);
  }

  /** The plane an element belongs on: its container's own, or the one its expanded container stands on. */
  private plane(key: string): string | null {
    const container = this.draft.parents.get(key) ?? "";
    const plane = this.planes.get(container);
    if (plane !== undefined) return plane;
    const shape = this.di.get(container);
    if (shape === undefined || !["true", "1"].includes(this.draft.value(shape, "@isExpanded") as string)) return null;
    return this.draft.parents.get(shape) ?? null;
  }

  private box(element: string | null): Box | null {
    const shape = this.di.get(element ?? "");
    const b = shape === undefined ? undefined : this.draft.value(shape, "b");
    return Array.isArray(b) && b.length >= 6 ? (b.slice(2, 6).map(number) as Box) : null;
  }

  /** The deleted shape, or a new one in the middle of the container (below the host, for a boundary event). */
  drawShape(key: string): void {
    if (this.bringBack(key)) return;
    const [width, height] = size(this.draft.kind(key)) ?? [0, 0];
    const host = this.box(target(this.draft.value(key, "@attachedToRef")));
    const around = this.box(this.draft.parents.get(key) ?? null);
    let [x, y] = [200, 200];
    if (host) [x, y] = [host[0] + host[2] / 2, host[1] + host[3]];
    else if (around) [x, y] = [around[0] + around[2] / 2, around[1] + around[3] / 2];
    const corner = [round(x - width / 2), round(y - height / 2), String(width), String(height)];
    this.add(key, "bpmndi:BPMNShape", { b: [this.tag("dc:Bounds"), "a0", ...corner] });
  }

  /** The deleted edge, or a straight line from middle to middle. */
  drawEdge(key: string): void {
    if (this.bringBack(key)) return;
    const ends = ["@sourceRef", "@targetRef"].map((name) => this.box(target(this.draft.value(key, name))));
    const points = ends.flatMap((box) => (box ? [round(box[0] + box[2] / 2), round(box[1] + box[3] / 2)] : []));
    if (points.length === 4) this.add(key, "bpmndi:BPMNEdge", { w: [this.tag("di:waypoint"), "a0", ...points] });
  }

  private bringBack(key: string): boolean {
    const shape = this.dead.get(key);
    const plane = this.plane(key);
    if (shape === undefined || plane === null) return false;
    attach(this.draft, shape, plane);
    this.told(key, shape);
    return true;
  }

  private add(key: string, kind: string, geometry: Rec): void {
    const plane = this.plane(key);
    const made = `${key}@${plane ?? "None"}`;
    if (plane === null || this.draft.nodes.has(made)) return;
    this.draft.nodes.set(made, { t: this.tag(kind), p: [plane, "a0", plane], "@bpmnElement": { r: key }, ...geometry });
    this.draft.show(made, plane);
    this.told(key, made);
  }

  private told(key: string, shape: string): void {
    this.di.set(key, shape);
    collect(this.draft, [shape]);
    this.draft.report("drawn", key, `${this.draft.called(key)} drawn again: it was without a shape`, shape);
  }

  /** The name under the prefix this document uses. */
  private tag(kind: string): string {
    const [prefix = "", local = ""] = kind.split(":");
    const everywhere = [...this.draft.everywhere].sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
    for (const [declared, uri] of everywhere)
      if (PREFIXES.get(uri) === `${prefix}:`) return declared === "" ? local : `${declared}:${local}`;
    return kind;
  }
}

function once(map: Map<string, string>, key: string, value: string): void {
  if (!map.has(key)) map.set(key, value);
}

function number(value: Json): number {
  const text = typeof value === "string" ? strip(value) : "";
  const said = NUMBER.test(text) && !text.includes("N") ? Number.parseFloat(text) : 0;
  return Number.isFinite(said) ? said : 0;
}

const round = (value: number): string => String(Math.floor(value + 0.5));
