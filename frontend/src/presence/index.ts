// Who else is here, on the canvas: their cursors with names, and outlines around what they selected. Drawn as SVG by hand (no markup from
// strings, no style attributes); the server says who somebody is. Sends at most 16 times a second, and nothing while nothing moves.
import type { Awareness } from "y-protocols/awareness";
import type { Viewer } from "../binding/session.ts";
import type { Box, Canvas, Element, EventBus, Point, Registry, Selection } from "../binding/types.ts";

const PAUSE_MS = 60;
const SVG = "http://www.w3.org/2000/svg";
const ARROW = "M0 0 L0 16 L4.2 12.4 L7 19 L10 17.7 L7.2 11.4 L12.6 11 Z";

interface State {
  user?: { id?: string; name?: string; color?: string };
  cursor?: Point | null;
  selection?: string[];
}

export class Presence {
  private readonly canvas: Canvas;
  private readonly registry: Registry;
  private readonly selection: Selection;
  private readonly eventBus: EventBus;
  private readonly layer: SVGElement;
  private readonly surface: HTMLElement;
  private cursor: Point | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private sent = "";
  private readonly draw = (): void => this.redraw();
  private readonly say = (): void => this.soon();
  private readonly moved = (event: MouseEvent): void => this.move(event);
  private readonly left = (): void => {
    this.cursor = null;
    this.soon();
  };

  constructor(
    viewer: Viewer,
    private readonly awareness: Awareness,
  ) {
    this.canvas = viewer.get<Canvas>("canvas");
    this.registry = viewer.get<Registry>("elementRegistry");
    this.selection = viewer.get<Selection>("selection");
    this.eventBus = viewer.get<EventBus>("eventBus");
    this.layer = this.canvas.getLayer("colane-presence", 10);
    this.layer.setAttribute("pointer-events", "none");
    this.surface = this.canvas.getContainer();
    this.surface.addEventListener("mousemove", this.moved, { passive: true });
    this.surface.addEventListener("mouseleave", this.left);
    this.eventBus.on("selection.changed", this.say as never);
    this.eventBus.on(["canvas.viewbox.changed", "elements.changed", "import.done"], this.draw as never);
    awareness.on("change", this.draw);
    this.redraw();
  }

  close(): void {
    if (this.timer) clearTimeout(this.timer);
    this.surface.removeEventListener("mousemove", this.moved);
    this.surface.removeEventListener("mouseleave", this.left);
    this.eventBus.off("selection.changed", this.say);
    this.eventBus.off(["canvas.viewbox.changed", "elements.changed", "import.done"], this.draw);
    this.awareness.off("change", this.draw);
    this.awareness.setLocalStateField("cursor", null);
    this.awareness.setLocalStateField("selection", []);
  }

  // -- mine

  private move({ clientX, clientY }: MouseEvent): void {
    const frame = this.surface.getBoundingClientRect();
    const { x, y, scale } = this.canvas.viewbox();
    this.cursor = { x: Math.round(x + (clientX - frame.left) / scale), y: Math.round(y + (clientY - frame.top) / scale) };
    this.soon();
  }

  private soon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.send();
    }, PAUSE_MS);
  }

  private send(): void {
    const selection = this.selection.get().map(({ id }) => id).slice(0, 50);
    const now = JSON.stringify([this.cursor, selection]);
    if (now === this.sent) return;
    this.sent = now;
    const state = this.awareness.getLocalState() ?? {};
    this.awareness.setLocalState({ ...state, cursor: this.cursor, selection });
  }

  // -- the others'

  private redraw(): void {
    this.layer.replaceChildren();
    const scale = 1 / this.canvas.viewbox().scale;
    for (const [client, state] of this.awareness.getStates() as Map<number, State>) {
      if (client === this.awareness.clientID || !state.user) continue;
      const color = /^#[0-9a-fA-F]{6}$/.test(state.user.color ?? "") ? (state.user.color as string) : "#475569";
      const name = (state.user.name ?? "").slice(0, 40);
      for (const id of (state.selection ?? []).slice(0, 50)) {
        const element = typeof id === "string" ? this.registry.get(id) : undefined;
        if (element) this.layer.append(this.outline(element, color, name, scale));
      }
      const { cursor } = state;
      if (cursor && Number.isFinite(cursor.x) && Number.isFinite(cursor.y))
        this.layer.append(this.pointer(cursor, color, name, scale));
    }
  }

  private outline(element: Element, color: string, name: string, scale: number): SVGElement {
    const box = bounds(element);
    const gap = 6;
    const group = make("g", { class: "presence-selection" });
    const size = { width: String(box.width + 2 * gap), height: String(box.height + 2 * gap) };
    const place = { x: String(box.x - gap), y: String(box.y - gap), rx: "4" };
    group.append(make("rect", { ...place, ...size, fill: "none", stroke: color, "stroke-width": String(2 * scale) }));
    const tag = this.tag(name, color);
    tag.setAttribute("transform", `translate(${box.x - gap} ${box.y - gap - 20 * scale}) scale(${scale})`);
    group.append(tag);
    return group;
  }

  private pointer({ x, y }: Point, color: string, name: string, scale: number): SVGElement {
    const group = make("g", { class: "presence-cursor", transform: `translate(${x} ${y}) scale(${scale})` });
    group.append(make("path", { d: ARROW, fill: color, stroke: "#ffffff", "stroke-width": "1" }));
    const tag = this.tag(name, color);
    tag.setAttribute("transform", "translate(12 16)");
    group.append(tag);
    return group;
  }

  private tag(name: string, color: string): SVGElement {
    const group = make("g", {});
    const width = String(10 + 7 * name.length);
    group.append(make("rect", { width, height: "18", rx: "4", fill: color }));
    const text = make("text", { x: "5", y: "13", fill: "#ffffff", "font-size": "12", "font-family": "system-ui, sans-serif" });
    text.textContent = name;
    group.append(text);
    return group;
  }
}

function make(name: string, attributes: Record<string, string>): SVGElement {
  const node = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
  return node;
}

function bounds(element: Element): Box {
  const points = element.waypoints;
  if (!points || points.length === 0) return element;
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const x = Math.min(...xs);
  const y = Math.min(...ys);
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}
