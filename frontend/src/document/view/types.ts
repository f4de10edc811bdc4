// The plain data the view reads and makes. No yjs here: store.ts turns the shared document into a Snapshot.

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
/** One XML node: its registers by name (t, p, d, x, b, w, @attribute, l:<laneSet> ...). */
export type Rec = Record<string, Json>;
export interface Snapshot {
  meta: Record<string, Json>;
  nodes: Map<string, Rec>;
}

/** One node of the finished tree. `tag` is the name as written; "#" is text, "!" a comment, "?target" a processing instruction. */
export interface ViewNode {
  /** The record's key; null on what the view derives (bounds, waypoints, incoming, flowNodeRef, text of an element). */
  key: string | null;
  tag: string;
  /** The name with its namespace made plain ("userTask", "bpmndi:BPMNShape", "" foreign); see grammar.ts. */
  kind: string;
  /** In the order they are written: xmlns*, id, name, the rest by bytes. */
  attributes: [name: string, value: string][];
  children: ViewNode[];
  text?: string;
  cdata?: [length: number, marked: number][];
}

/** One thing the view shows otherwise than the records say, and why, in plain words. */
export interface Repair {
  rule: string;
  key: string;
  /** The element's id as people know it. */
  id: string;
  text: string;
  /** The key of the element that gave the reason. */
  other: string | null;
}

export interface View {
  declaration: [version: string, encoding: string | null, standalone: string | null] | null;
  prolog: ViewNode[];
  root: ViewNode;
  epilog: ViewNode[];
  repairs: Repair[];
  /** Every node of the tree that has a record, by key. */
  nodes: Map<string, ViewNode>;
}
