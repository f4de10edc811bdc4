// Where and how bpmn-js draws an element: the parent it stands in, whether what is drawn still fits the model, and its label.
import { isExpanded } from "bpmn-js/lib/util/DiUtil";
import { getExternalLabelBounds, getLabel, isLabelExternal } from "bpmn-js/lib/util/LabelUtil";
import { isThing } from "./facts.ts";
import type { Box, Canvas, Element, TextRenderer, Thing } from "./types.ts";

type Shown = ReadonlyMap<Thing, Element>;

export function planesOf(definitions: Thing): Thing[] {
  const diagrams = definitions["diagrams"];
  return Array.isArray(diagrams) ? diagrams.map((diagram: Thing) => diagram["plane"]).filter(isThing) : [];
}

/** The element that stands for a container in a plane: its shape, or the plane's root. */
function figure(thing: Thing, plane: Thing, shown: Shown): Element | undefined {
  if (plane["bpmnElement"] === thing) return shown.get(plane);
  for (const [di, element] of shown) if (di.$parent === plane && element.businessObject === thing) return element;
  return undefined;
}

/** Same rules as bpmn-js's own import: by containment, pools for processes, lanes never hold nodes, data associations on the root. */
export function expectedParent(thing: Thing, di: Thing, canvas: Canvas, shown: Shown): Element | undefined {
  const plane = di.$parent;
  if (!plane) return undefined;
  const root = shown.get(plane);
  if (!root || thing.$instanceOf("bpmn:DataAssociation")) return root;
  for (let at = thing.$parent; at; at = at.$parent) {
    const found = figure(at, plane, shown) ?? (at.$type === "bpmn:Process" ? pool(at, plane, shown) : undefined);
    if (!found) continue;
    if (thing.$type === "bpmn:DataStoreReference" && !inside(found, di)) return canvas.findRoot(found) ?? root;
    return found;
  }
  return root;
}

function pool(process: Thing, plane: Thing, shown: Shown): Element | undefined {
  for (const [di, element] of shown)
    if (di.$parent === plane && element.type === "bpmn:Participant" && element.businessObject["processRef"] === process) return element;
  return undefined;
}

function inside(box: Element, di: Thing): boolean {
  const bounds = di["bounds"] as Box | undefined;
  if (!bounds || box.waypoints || typeof box.x !== "number") return true;
  const x = bounds.x + bounds.width / 2;
  const y = bounds.y + bounds.height / 2;
  return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
}

/** Whether the drawn element can stay and only change its looks. */
export function fits(element: Element, canvas: Canvas, shown: Shown): boolean {
  const { businessObject: thing, di } = element;
  if (!di || di["bpmnElement"] !== thing || element.type !== thing.$type) return false;
  if (di.$type === "bpmndi:BPMNPlane") return true;
  if (element.parent !== expectedParent(thing, di, canvas, shown)) return false;
  if (thing.$type === "bpmn:BoundaryEvent" && element.host?.businessObject !== thing["attachedToRef"]) return false;
  if (element.waypoints) return end(thing, "source") === element.source?.businessObject && end(thing, "target") === element.target?.businessObject;
  return Boolean(element.collapsed) === !isExpanded(thing as never, di);
}

function end(thing: Thing, side: "source" | "target"): unknown {
  if (thing.$type === "bpmn:DataInputAssociation") return side === "target" ? thing.$parent : (thing["sourceRef"] as unknown[] | undefined)?.[0];
  if (thing.$type === "bpmn:DataOutputAssociation" && side === "source") return thing.$parent;
  return thing[`${side}Ref`];
}

export const labelWanted = (element: Element): boolean =>
  isLabelExternal(element.businessObject as never) && Boolean(getLabel(element as never));

/** Puts an external label where its DI says. */
export function placeLabel(element: Element, renderer: TextRenderer): void {
  const { label, di } = element;
  if (!label || !di) return;
  const text = getLabel(element as never);
  let bounds = getExternalLabelBounds(di, element as never);
  const said = (di["label"] as Thing | undefined)?.["bounds"];
  if (said && bounds.width > 0) {
    const { height } = renderer.getDimensions(text, { box: bounds, style: renderer.getExternalStyle() });
    bounds = { ...bounds, height: Math.ceil(height) };
  } else bounds = renderer.getExternalLabelBounds(bounds, text);
  for (const side of ["x", "y", "width", "height"] as const) label[side] = Math.round(bounds[side]);
}
