// One view with what the binding asks of it again and again: parents, prefixes in scope, and ids. Made anew for each view; plain data.
import { PREFIXES } from "../document/view/grammar.ts";
import type { View, ViewNode } from "../document/view.ts";

export type Scope = ReadonlyMap<string, string>;
export const MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL";
export const XSI = "http://www.w3.org/2001/XMLSchema-instance";
const PLAIN = [...PREFIXES].map(([uri, plain]) => [plain, uri] as const);

export class Page {
  readonly root: ViewNode;
  readonly nodes: Map<string, ViewNode>;
  readonly parents = new Map<ViewNode, ViewNode>();
  readonly ids = new Map<string, string>();
  private readonly scopes = new Map<ViewNode, Scope>();

  constructor(view: View) {
    this.root = view.root;
    this.nodes = view.nodes;
    this.walk(view.root, new Map());
  }

  private walk(node: ViewNode, outer: Scope): void {
    let scope = outer;
    for (const [name, value] of node.attributes) {
      if (name.startsWith("xmlns")) {
        if (scope === outer) scope = new Map(outer);
        (scope as Map<string, string>).set(name.slice(6), value);
      } else if (name === "id" && node.key !== null && !this.ids.has(value)) this.ids.set(value, node.key);
    }
    this.scopes.set(node, scope);
    for (const child of node.children) {
      if (child.kind === "#") continue;
      this.parents.set(child, node);
      this.walk(child, scope);
    }
  }

  scope(node: ViewNode): Scope {
    return this.scopes.get(node) ?? new Map();
  }

  /** The namespace of an element's name. */
  uri(node: ViewNode): string | undefined {
    for (const [plain, uri] of PLAIN)
      if (plain === "" ? node.kind !== "" && !node.kind.includes(":") : node.kind.startsWith(plain)) return uri;
    return this.scope(node).get(prefix(node.tag));
  }

  /** A prefix that means `uri` at this node: "" for the default namespace, undefined where there is none. */
  prefix(node: ViewNode, uri: string, attribute = false): string | undefined {
    const scope = this.scope(node);
    const own = prefix(node.tag);
    if (!attribute && scope.get(own) === uri) return own;
    for (const [name, value] of scope) if (value === uri && !(attribute && name === "")) return name;
    return undefined;
  }
}

export function prefix(name: string): string {
  const colon = name.indexOf(":");
  return colon < 0 ? "" : name.slice(0, colon);
}

export const local = (name: string): string => name.slice(name.indexOf(":") + 1);
export const qualified = (before: string | undefined, name: string): string => (before ? `${before}:${name}` : name);

/** The text of an element as moddle reads it. */
export function content(node: ViewNode): string {
  let text = node.text ?? "";
  for (const child of node.children) if (child.kind === "#") text += child.text ?? "";
  return text;
}
