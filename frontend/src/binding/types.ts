// What the binding needs to know of moddle and diagram-js objects; their own types are looser than ours may be.

export interface Property {
  name: string;
  type: string;
  ns: { name: string; prefix: string; localName: string };
  isAttr?: boolean;
  isMany?: boolean;
  isReference?: boolean;
  isVirtual?: boolean;
  isBody?: boolean;
  isId?: boolean;
  inherited?: boolean;
  default?: unknown;
  xml?: { serialize?: string };
}

export interface Descriptor {
  name: string;
  ns: { name: string; prefix: string; localName: string; uri?: string };
  isGeneric?: boolean;
  properties: Property[];
  propertiesByName: Record<string, Property | undefined>;
  bodyProperty?: Property;
}

/** A moddle object: a BPMN element, a shape's data, or anything foreign ("generic"). */
export interface Thing {
  $type: string;
  $parent?: Thing | undefined;
  $attrs?: Record<string, unknown>;
  $descriptor: Descriptor;
  $children?: Thing[];
  $body?: string;
  $instanceOf(type: string): boolean;
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  [property: string]: unknown;
}

export interface Ids {
  assigned(id: string): unknown;
  claim(id: string, thing: Thing): void;
  unclaim(id: string): void;
  clear(): void;
}

export interface Package {
  prefix: string;
  uri: string;
  xml?: { tagAlias?: string; typePrefix?: string };
}

export interface Moddle {
  ids?: Ids;
  create(type: string, values?: Record<string, unknown>): Thing;
  createAny(name: string, uri: string, values?: Record<string, unknown>): Thing;
  getType(name: string): { hasType(type: string): boolean; $descriptor: Descriptor };
  getPackage(uriOrPrefix: string): Package | undefined;
}

export interface Point {
  x: number;
  y: number;
}

export interface Element extends Point {
  id: string;
  type: string;
  businessObject: Thing;
  di: Thing | undefined;
  width: number;
  height: number;
  hidden?: boolean;
  collapsed?: boolean;
  parent?: Element | null;
  children?: Element[];
  host?: Element | null;
  attachers?: Element[];
  label?: Element;
  labels?: Element[];
  labelTarget?: Element;
  source?: Element;
  target?: Element;
  waypoints?: Point[];
  incoming?: Element[];
  outgoing?: Element[];
}

export interface Box extends Point {
  width: number;
  height: number;
}

export interface Canvas {
  addShape(shape: Element, parent?: Element): Element;
  removeShape(shape: Element): void;
  removeConnection(connection: Element): void;
  removeRootElement(root: Element): void;
  findRoot(element: string | Element): Element | undefined;
  getRootElement(): Element;
  getRootElements(): Element[];
  setRootElement(root: Element): void;
  getContainer(): HTMLElement;
  getLayer(name: string, index?: number): SVGElement;
  viewbox(): Box & { scale: number; inner: Box; outer: { width: number; height: number } };
  viewbox(box: Box): void;
  zoom(level: string | number, center?: unknown): number;
  scrollToElement(element: Element): void;
}

export interface Registry {
  get(id: string): Element | undefined;
  getAll(): Element[];
  updateId(element: Element, id: string): void;
  getGraphics(element: Element | string): SVGElement | undefined;
}

export interface EventBus {
  on(events: string | string[], priority: number, callback: (event: never) => unknown): void;
  on(events: string | string[], callback: (event: never) => unknown): void;
  off(events: string | string[], callback: (event: never) => unknown): void;
  fire(event: string, data?: unknown): unknown;
}

export interface Importer {
  add(semantic: Thing, di: Thing, parent?: Element): Element;
  addLabel(semantic: Thing, di: Thing, element: Element): Element;
}

export interface TextRenderer {
  getDimensions(text: string, options: unknown): { width: number; height: number };
  getExternalStyle(): unknown;
  getExternalLabelBounds(bounds: Box, text: string): Box;
}

export interface Dragging {
  context(): { data?: { shape?: Element; shapes?: Element[]; connection?: Element }; context?: unknown } | null;
  cancel(): void;
}

export interface Selection {
  get(): Element[];
  select(elements: Element | Element[] | null): void;
}

export interface DirectEditing {
  isActive(element?: Element): boolean;
  cancel(): void;
  _active?: { element: Element };
}
