// The working state of one view: which records are shown, where, and as what. The rules change the draft; tree.ts turns it into a tree.
// Mirror of collab/bpmn/repair/draft.py. Keys are always walked in the order of their bytes, so that every replica decides alike.
import { compare } from "./bytes.ts";
import { PREFIXES } from "./grammar.ts";
import type { Json, Rec, Repair, Snapshot } from "./types.ts";

interface Scope {
  prefixes: ReadonlyMap<string, string>;
  kinds: Map<string, string>;
}

export const isObject = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The key a reference value points at, or null when the value is not a reference. */
export function target(value: Json | undefined): string | null {
  return isObject(value) && typeof value["r"] === "string" ? value["r"] : null;
}

/** A mark that is set: 1, whichever way it was written. */
export const flagged = (value: Json | undefined): boolean => value === 1 || value === "1";

export class Draft {
  readonly meta: Record<string, Json>;
  /** Every record that can be read, deleted ones too, in the order of keys. */
  readonly nodes = new Map<string, Rec>();
  root = "";
  /** Shown nodes only: key -> parent key ("" for the root). */
  readonly parents = new Map<string, string>();
  readonly children = new Map<string, string[]>();
  /** Registers the tree leaves out: key -> names. */
  readonly omitted = new Map<string, Set<string>>();
  /** Names shown instead of the record's own `t`. */
  readonly tags = new Map<string, string>();
  readonly repairs: Repair[] = [];
  private readonly kinds = new Map<string, string>();
  private readonly scopes = new Map<string, Scope>();
  private readonly everywhere = new Map<string, string>();

  constructor(snapshot: Snapshot) {
    this.meta = snapshot.meta;
    for (const key of [...snapshot.nodes.keys()].sort(compare)) {
      const record = snapshot.nodes.get(key) as Rec;
      this.nodes.set(key, record);
      for (const name in record)
        if (name.startsWith("@xmlns")) {
          const prefix = name.slice(7);
          const uri = record[name];
          if (typeof uri === "string" && !this.everywhere.has(prefix)) this.everywhere.set(prefix, uri);
        }
    }
  }

  tag(key: string): string {
    return this.tags.get(key) ?? (this.nodes.get(key)?.["t"] as string);
  }

  /** The kind of a readable record, by the namespaces in scope where it was written. */
  kind(key: string): string {
    const known = this.kinds.get(key);
    if (known !== undefined) return known;
    const kind = this.kindOf(this.tag(key), this.scope(key));
    this.kinds.set(key, kind);
    return kind;
  }

  retag(key: string, tag: string): void {
    this.tags.set(key, tag);
    this.kinds.delete(key);
  }

  private kindOf(tag: string, scope: Scope): string {
    const known = scope.kinds.get(tag);
    if (known !== undefined) return known;
    const first = tag.charAt(0);
    let kind = "";
    if (first === "#" || first === "!" || first === "?") kind = first;
    else {
      const colon = tag.indexOf(":");
      const prefix = colon < 0 ? "" : tag.slice(0, colon);
      const uri = scope.prefixes.get(prefix) ?? this.everywhere.get(prefix);
      const plain = uri === undefined ? undefined : PREFIXES.get(uri);
      if (plain !== undefined) kind = plain + tag.slice(colon + 1);
    }
    scope.kinds.set(tag, kind);
    return kind;
  }

  /** Prefixes in scope at a record; walks up once and remembers. */
  private scope(key: string): Scope {
    const path: string[] = [];
    let scope: Scope | undefined;
    let at: string | undefined = key;
    while (at !== undefined && path.length < 1000) {
      scope = this.scopes.get(at);
      if (scope) break;
      const record: Rec | undefined = this.nodes.get(at);
      if (!record) break;
      path.push(at);
      const p: Json | undefined = record["p"];
      at = Array.isArray(p) && typeof p[0] === "string" ? p[0] : undefined;
    }
    scope ??= { prefixes: new Map(), kinds: new Map() };
    for (const step of path.reverse()) {
      scope = this.within(scope, this.nodes.get(step) as Rec);
      this.scopes.set(step, scope);
    }
    return scope;
  }

  private within(outer: Scope, record: Rec): Scope {
    let prefixes: Map<string, string> | null = null;
    for (const name in record)
      if (name.startsWith("@xmlns") && typeof record[name] === "string") {
        prefixes ??= new Map(outer.prefixes);
        prefixes.set(name.slice(7), record[name]);
      }
    return prefixes ? { prefixes, kinds: new Map() } : outer;
  }

  show(key: string, parent: string): void {
    this.parents.set(key, parent);
    const siblings = this.children.get(parent);
    if (siblings) siblings.push(key);
    else this.children.set(parent, [key]);
  }
}
