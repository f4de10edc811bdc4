// Brings the canvas up to the model: draws what came, takes away what went, moves what moved. Never through modeling, never firing
// commandStack.changed: nothing here is an edit, nothing here can be undone, and a label somebody is typing stays open.
import { expectedParent, fits, labelWanted, placeLabel, planesOf } from "./figures.ts";
import { isThing } from "./facts.ts";
import type { Model, Patch } from "./model.ts";
import type { Canvas, Dragging, Element, EventBus, Importer, Registry, Selection, TextRenderer, Thing } from "./types.ts";

/** Thrown inside when only drawing everything anew will do. */
export class Redraw extends Error {}

export interface Stage {
  canvas: Canvas;
  registry: Registry;
  eventBus: EventBus;
  importer: Importer;
  textRenderer: TextRenderer;
  selection: Selection;
  dragging: Dragging | null;
}

export class Drawing {
  /** Diagram elements by their DI object; labels are not among them. */
  private byDi = new Map<Thing, Element>();

  constructor(
    private readonly stage: Stage,
    private readonly model: Model,
  ) {}

  apply(patch: Patch): void {
    this.byDi = new Map();
    for (const element of this.stage.registry.getAll())
      if (!element.labelTarget && element.di) this.byDi.set(element.di, element);
    const { remove, add, change } = this.plan(patch);
    this.cancelDrag(remove);
    const selected = this.stage.selection.get();
    const lost = selected.filter((element) => remove.has(element.labelTarget ?? element)).map(({ id }) => id);
    this.take(remove);
    for (const element of change.keys()) this.update(element, change);
    const added = this.draw(add);
    const touched = new Set([...added, ...change.keys()].filter((element) => this.stage.registry.get(element.id) === element));
    if (touched.size > 0) this.stage.eventBus.fire("elements.changed", { elements: [...touched] });
    const back = lost.map((id) => this.stage.registry.get(id)).filter((element) => element !== undefined);
    if (back.length > 0) this.stage.selection.select([...this.stage.selection.get(), ...back]);
  }

  private plan(patch: Patch): { remove: Set<Element>; add: Set<Thing>; change: Map<Element, boolean> } {
    const remove = new Set<Element>();
    const add = new Set<Thing>();
    const change = new Map<Element, boolean>();
    const planes = planesOf(this.model.definitions);
    for (const thing of patch.gone.values()) {
      if (isPlane(thing)) throw new Redraw("a diagram went");
      const element = this.byDi.get(thing);
      if (element) this.closure(element, remove);
    }
    for (const di of this.affected(patch, planes)) {
      const element = this.byDi.get(di);
      const wanted = this.wanted(di);
      if (element && (!wanted || !fits(element, this.stage.canvas, this.byDi))) this.closure(element, remove);
      else if (element) change.set(element, true);
      if (wanted && !element) add.add(di);
    }
    for (const element of remove) {
      change.delete(element);
      if (element.di && this.model.atlas.key(element.di) !== undefined) add.add(element.di);
    }
    return { remove, add, change };
  }

  /** DI of everything the patch is about: its own, its element's, that of what it is a part of, and of the flows that show its default. */
  private affected(patch: Patch, planes: Thing[]): Set<Thing> {
    const found = new Set<Thing>();
    const elements = new Set<Thing>();
    for (const key of [...patch.changed, ...patch.made]) {
      const thing = this.model.atlas.thing(key);
      if (thing) this.sort(thing, found, elements, patch, key);
    }
    for (const thing of patch.gone.values()) if (thing.$parent && !isRoot(thing.$parent)) this.climb(thing.$parent, elements);
    if (elements.size === 0) return found;
    for (const plane of planes)
      for (const di of list(plane["planeElement"])) if (elements.has(di["bpmnElement"] as Thing)) found.add(di);
    return found;
  }

  private sort(thing: Thing, found: Set<Thing>, elements: Set<Thing>, patch: Patch, key: string): void {
    if (thing.$type === "bpmndi:BPMNDiagram" || isPlane(thing)) {
      const root = this.byDi.get(thing);
      const known = root && root.businessObject === thing["bpmnElement"];
      if (isPlane(thing) ? !known : patch.made.has(key)) throw new Redraw("a diagram changed");
      return;
    }
    if (thing.$descriptor.isGeneric) return this.climb(thing, elements);
    if (thing.$instanceOf("di:DiagramElement")) {
      const di = thing.$instanceOf("di:Label") ? thing.$parent : thing;
      if (di) found.add(di);
    } else if (thing.$type === "bpmn:Lane" || !isRoot(thing)) this.climb(thing, elements);
  }

  private climb(from: Thing, elements: Set<Thing>): void {
    for (let at: Thing | undefined = from; at && !isRoot(at); at = at.$parent) {
      elements.add(at);
      const flows = at.$descriptor.isGeneric ? [] : at["outgoing"];
      for (const flow of list(flows)) elements.add(flow);
      if (!at.$descriptor.isGeneric && at.$instanceOf("bpmn:FlowElement")) return;
      if (at.$type === "bpmn:CategoryValue") for (const di of this.byDi.values()) if (di.type === "bpmn:Group") elements.add(di.businessObject);
    }
  }

  private wanted(di: Thing): boolean {
    const plane = di.$parent;
    const element = di["bpmnElement"];
    if (!plane || !isThing(element) || this.model.atlas.key(di) === undefined || this.model.atlas.key(element) === undefined) return false;
    const first = list(plane["planeElement"]).find((other) => other["bpmnElement"] === element);
    return this.byDi.has(plane) && first === di;
  }

  /** An element with all that is drawn inside it, on it, or from and to it. */
  private closure(element: Element, into: Set<Element>): void {
    if (into.has(element) || element.labelTarget) return;
    if (element.di && isPlane(element.di)) throw new Redraw("a root changed");
    into.add(element);
    for (const other of [element.children, element.attachers, element.incoming, element.outgoing])
      for (const each of [...(other ?? [])]) this.closure(each, into);
  }

  private cancelDrag(remove: Set<Element>): void {
    const data = this.stage.dragging?.context()?.data;
    const dragged = data ? [data.shape, data.connection, ...(data.shapes ?? [])] : [];
    if (dragged.some((element) => element && remove.has(element.labelTarget ?? element))) this.stage.dragging?.cancel();
  }

  private take(remove: Set<Element>): void {
    const connections = [...remove].filter((element) => element.waypoints);
    const shapes = [...remove].filter((element) => !element.waypoints).sort((a, b) => depth(b) - depth(a));
    for (const element of [...connections, ...shapes]) {
      for (const label of [...(element.labels ?? [])]) this.stage.canvas.removeShape(label);
      if (element.waypoints) {
        this.stage.canvas.removeConnection(element);
        Object.assign(element, { source: null, target: null });
      } else {
        this.stage.canvas.removeShape(element);
        if (element.host) element.host = null;
      }
      if (element.di) this.byDi.delete(element.di);
    }
  }

  /** Containers before what they hold, hosts before what is attached, shapes before connections. */
  private draw(add: Set<Thing>): Element[] {
    const added: Element[] = [];
    const order = [...add].map((di) => ({ di, element: di["bpmnElement"] as Thing })).filter(({ di }) => this.wanted(di));
    order.sort((a, b) => stage(a.element) - stage(b.element) || nesting(a.element) - nesting(b.element));
    for (const { di, element } of order) {
      const parent = expectedParent(element, di, this.stage.canvas, this.byDi);
      if (!parent || this.stage.registry.get(String(element["id"]))) continue;
      try {
        const drawn = this.stage.importer.add(element, di, parent);
        this.byDi.set(di, drawn);
        added.push(drawn);
      } catch {
        continue; // as the importer does: an edge whose end is not drawn is not drawn either
      }
    }
    return added;
  }

  private update(element: Element, change: Map<Element, boolean>): void {
    const { registry, importer, canvas } = this.stage;
    const { businessObject: thing, di } = element;
    if (!di || element.labelTarget) return; // a label comes with what it names
    const id = String(thing["id"]);
    if (element.id !== id && !isPlane(di)) {
      registry.updateId(element, id);
      if (element.label) registry.updateId(element.label, `${id}_label`);
    }
    if (element.waypoints) {
      const points = list(di["waypoint"]).map((point) => ({ x: point["x"] as number, y: point["y"] as number }));
      if (points.length >= 2 && !samePoints(points, element.waypoints)) element.waypoints = points;
    } else {
      const bounds = di["bounds"] as Record<string, number> | undefined;
      if (bounds) for (const side of ["x", "y", "width", "height"] as const) element[side] = Math.round(bounds[side] ?? 0);
    }
    const wanted = labelWanted(element);
    if (wanted && !element.label) change.set(importer.addLabel(thing, di, element), true);
    else if (!wanted && element.label) canvas.removeShape(element.label);
    else if (element.label) {
      placeLabel(element, this.stage.textRenderer);
      change.set(element.label, true);
    }
  }
}

const list = (value: unknown): Thing[] => (Array.isArray(value) ? value.filter(isThing) : []);
const isPlane = (thing: Thing): boolean => thing.$type === "bpmndi:BPMNPlane";
const isRoot = (thing: Thing): boolean => thing.$type === "bpmn:Definitions" || thing.$type === "bpmn:Process" || thing.$type === "bpmn:Collaboration";

function depth(element: Element): number {
  let count = 0;
  for (let at = element.parent; at; at = at.parent) count++;
  return count;
}

function nesting(thing: Thing): number {
  let count = 0;
  for (let at = thing.$parent; at; at = at.$parent) count++;
  return count;
}

function stage(thing: Thing): number {
  if (thing.$type === "bpmn:Participant") return 0;
  if (thing.$type === "bpmn:Lane") return 1;
  if (thing.$type === "bpmn:BoundaryEvent") return 3;
  const connection = ["bpmn:SequenceFlow", "bpmn:MessageFlow", "bpmn:Association", "bpmn:DataAssociation"];
  return connection.some((type) => thing.$instanceOf(type)) ? 4 : 2;
}

const samePoints = (a: { x: number; y: number }[], b: { x: number; y: number }[]): boolean =>
  a.length === b.length && a.every((point, i) => point.x === b[i]?.x && point.y === b[i].y);
