// The editor: bpmn-js bound to the shared document, both ways. What the page sees of it is in this file; loaded lazily with bpmn-js itself.
import Modeler from "bpmn-js/lib/Modeler";
import NavigatedViewer from "bpmn-js/lib/NavigatedViewer";
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import { DocumentStore } from "../document/store.ts";
import { Presence } from "../presence/index.ts";
import { SteadyLabels } from "./labels.ts";
import { EditSession, type Viewer } from "./session.ts";
import { OwnStack } from "./stack.ts";
import type { Canvas, Registry, Selection } from "./types.ts";

export interface EditorOptions {
  container: HTMLElement;
  doc: Y.Doc;
  awareness: Awareness;
  readonly: boolean;
  user: { id: string; name: string; color: string };
  element?: string;
}

export interface Editor {
  destroy(): void;
  select(id: string): void;
  undo(): void;
  redo(): void;
  zoomToFit(): void;
  exportSvg(): Promise<string>;
  exportXml(): Promise<string>;
  onMessage(listener: (text: string) => void): () => void;
}

/** bpmn-js parts that rewrite the model when they see it; the document is not theirs to tidy. */
const QUIET = {
  subprocessCompatibility: ["value", null],
  bpmnDiOrdering: ["value", null],
  isHorizontalFix: ["value", null],
  adaptiveLabelPositioningBehavior: ["type", SteadyLabels],
};

const EDGE = 16;
const PALETTE = 80;

/** The whole diagram, no larger than it is, in the middle of what the palette leaves free. */
function fit(canvas: Canvas, left: number): void {
  const { inner, outer } = canvas.viewbox();
  const width = outer.width - left - EDGE;
  const height = outer.height - 2 * EDGE;
  if (width <= 0 || height <= 0) return;
  const scale = Math.min(1, width / inner.width, height / inner.height);
  canvas.viewbox({
    x: inner.x - (left + (width - inner.width * scale) / 2) / scale,
    y: inner.y - (EDGE + (height - inner.height * scale) / 2) / scale,
    width: outer.width / scale,
    height: outer.height / scale,
  });
}

export async function openEditor(options: EditorOptions): Promise<Editor> {
  const { container, readonly } = options;
  const viewer = (
    readonly
      ? new NavigatedViewer({ container, additionalModules: [{ subprocessCompatibility: ["value", null] }] } as never)
      : new Modeler({ container, additionalModules: [{ ...QUIET, commandStack: ["type", OwnStack] }] } as never)
  ) as unknown as Viewer;
  const store = new DocumentStore(options.doc);
  const listeners = new Set<(text: string) => void>();
  const session = new EditSession(viewer, store, (text) => {
    for (const listener of listeners) listener(text);
  });
  await session.open();
  const canvas = viewer.get<Canvas>("canvas");
  const margin = readonly ? EDGE : PALETTE;
  fit(canvas, margin);
  const presence = new Presence(viewer, options.awareness);
  const select = (id: string): void => {
    const element = viewer.get<Registry>("elementRegistry").get(id);
    if (!element) return;
    canvas.scrollToElement(element);
    viewer.get<Selection>("selection").select(element);
  };
  if (options.element) select(options.element);
  return {
    destroy() {
      presence.close();
      session.close();
      store.destroy();
      viewer.destroy();
    },
    select,
    undo: () => viewer.get<OwnStack | null>("commandStack", false)?.undo(),
    redo: () => viewer.get<OwnStack | null>("commandStack", false)?.redo(),
    zoomToFit: () => fit(canvas, margin),
    exportSvg: async () => (await viewer.saveSVG()).svg,
    exportXml: async () => (await viewer.saveXML({ format: true })).xml ?? "",
    onMessage(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
