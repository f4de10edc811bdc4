// The working state of one view: which records are shown, where, and as what. The rules change the draft; tree.ts turns it into a tree.
// Mirror of collab/bpmn/repair/draft.py. Keys are always walked in the order of their bytes, so that every replica decides alike.
import { digest, sorted, textOf } from "./bytes.ts";
import { PREFIXES } from "./grammar.ts";
import type { Json, Rec, Repair, Snapshot } from "./types.ts";

export interface Scope {
  prefixes: ReadonlyMap<string, string>;
  kinds: Map<string, string>;
}
type Value = Json | undefined;

/** No chain of parents is followed further than this. */
export const WALK = 1000;
const WORDS: Record<string, string> = { sequenceFlow: "flow", "bpmndi:BPMNShape": "shape", "bpmndi:BPMNEdge": "edge", "": "element" };

export const isObject = (value: Value): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The key a reference value points at, or null when the value is not a reference. */
export function target(value: Value): string | null {
  return isObject(value) && typeof value["r"] === "string" ? value["r"] : null;
}

/** The parent a record names; null on a root and on what cannot be read. */
export function parentOf(record: Rec): string | null {
  const p = record["p"];
  return Array.isArray(p) && typeof p[0] === "string" ? p[0] : null;
}

/** A mark that is set: 1, whichever way it was written. */
export const flagged = (value: Value): boolean => value === 1 || value === "1";

export class Draft {
  readonly meta: Record<string, Json>;
  /** Every record that can be read, deleted ones too, in the order of keys. */
  readonly nodes = new Map<string, Rec>();
  root = "";
  /** Shown nodes only: key -> parent key ("" for the root). */
  readonly parents = new Map<string, string>();
  /** May still list hidden ones: ask parents. */
  readonly children = new Map<string, string[]>();
  /** Live records by the parent they name. */
  readonly below = new Map<string, string[]>();
  /** Registers shown otherwise; null: left out. */
  readonly changed = new Map<string, Map<string, Json>>();
  /** Names shown instead of the record's own `t`. */
  readonly tags = new Map<string, string>();
  /** key -> [shown node, register] pointing at it. */
  readonly referrers = new Map<string, [string, string][]>();
  /** Hidden keys whose referrers have not been looked at. */
  readonly queue: string[] = [];
  readonly repairs: Repair[] = [];
  /** Records that declare a namespace prefix. */
  readonly declaring = new Set<string>();
  /** prefix -> namespace, as the smallest key declares it. */
  readonly everywhere = new Map<string, string>();
  private readonly kinds = new Map<string, string>();
  private readonly scopes = new Map<string, Scope>();

  constructor(snapshot: Snapshot) {
    this.meta = snapshot.meta;
    for (const key of sorted(snapshot.nodes.keys())) {
      const record = snapshot.nodes.get(key) as Rec;
      this.nodes.set(key, record);
      for (const name in record)
        if (name.startsWith("@xmlns")) {
          const prefix = name.slice(7);
          const uri = record[name];
          if (typeof uri !== "string") continue;
          this.declaring.add(key);
          if (!this.everywhere.has(prefix)) this.everywhere.set(prefix, uri);
        }
    }
  }

  record(key: string): Rec {
    return this.nodes.get(key) ?? {};
  }

  /** A register as the view shows it. */
  value(key: string, name: string): Value {
    const changed = this.changed.get(key);
    return changed?.has(name) ? changed.get(name) : this.record(key)[name];
  }

  /** Shows a register otherwise, or not at all. */
  change(key: string, name: string, value: Json): void {
    const held = this.changed.get(key);
    if (held) held.set(name, value);
    else this.changed.set(key, new Map([[name, value]]));
  }

  tag(key: string): string {
    return this.tags.get(key) ?? (this.record(key)["t"] as string);
  }

  /** The kind of a readable record, by the namespaces in scope where it was written. */
  kind(key: string): string {
    const known = this.kinds.get(key);
    if (known !== undefined) return known;
    const kind = this.kindOf(this.tag(key), this.scope(key));
    this.kinds.set(key, kind);
    return kind;
  }

  /** Shows a record as another element of the same namespace. */
  retag(key: string, local: string): void {
    const tag = this.tag(key);
    const colon = tag.indexOf(":");
    this.tags.set(key, colon < 0 ? local : tag.slice(0, colon + 1) + local);
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
      // An undeclared or undone prefix ("") falls back to what the document declares anywhere, as in Python.
      const uri = scope.prefixes.get(prefix) ?? this.everywhere.get(prefix);
      const plain = uri === undefined ? undefined : PREFIXES.get(uri);
      if (plain !== undefined) kind = plain + tag.slice(colon + 1);
    }
    scope.kinds.set(tag, kind);
    return kind;
  }

  /** Prefixes in scope at a record; walks up once and remembers. */
  scope(key: string): Scope {
    const path: string[] = [];
    let scope: Scope | undefined;
    let at: string | null = key;
    while (at !== null && path.length < WALK) {
      scope = this.scopes.get(at);
      const record: Rec | undefined = this.nodes.get(at);
      if (scope || !record) break;
      path.push(at);
      at = parentOf(record);
    }
    scope ??= { prefixes: new Map(), kinds: new Map() };
    for (const step of path.reverse()) {
      if (this.declaring.has(step)) scope = { prefixes: new Map([...scope.prefixes, ...declared(this.record(step))]), kinds: new Map() };
      this.scopes.set(step, scope);
    }
    return scope;
  }

  show(key: string, parent: string): void {
    this.parents.set(key, parent);
    this.join(key, parent);
  }

  /** Lists a node among the children of a parent. */
  join(key: string, parent: string): void {
    const siblings = this.children.get(parent);
    if (siblings) siblings.push(key);
    else this.children.set(parent, [key]);
  }

  /** The shown children of a node, in no meant order. */
  shown(key: string): string[] {
    // One that went and came back is listed twice.
    return [...new Set(this.children.get(key))].filter((child) => this.parents.get(child) === key);
  }

  /** Takes a node and everything in it out of the view; references to it are looked at later. */
  hide(top: string): void {
    const open = [top];
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      open.push(...this.shown(key));
      this.parents.delete(key);
      this.queue.push(key);
    }
  }

  /** Is the rule to act on this record? Not while what it read is as it was imported (`qk`). */
  fires(rule: string, key: string, reading: Value[]): boolean {
    const known = this.record(key)["qk"];
    if (!isObject(known)) return true;
    return known[rule] !== digest(textOf(reading)).toString(16).padStart(8, "0");
  }

  report(rule: string, key: string, text: string, other: string | null = null): void {
    this.repairs.push({ rule, key, id: this.name(key), text, other });
  }

  /** What people call a record: its id, else its key. */
  name(key: string): string {
    const id = this.record(key)["@id"];
    return typeof id === "string" && id !== "" ? id : key;
  }

  /** The kind of a record in everyday words. */
  word(key: string): string {
    const kind = this.nodes.has(key) ? this.kind(key) : "";
    const known = Object.hasOwn(WORDS, kind) ? WORDS[kind] : undefined;
    if (known !== undefined) return known;
    const colon = kind.indexOf(":");
    const bare = (colon < 0 ? "" : kind.slice(colon + 1)) || kind;
    return bare.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
  }

  /** Kind and name: "flow Flow_7". */
  called(key: string): string {
    return `${this.word(key)} ${this.name(key)}`;
  }

  /** Why a key that something refers to is not there: "was deleted". */
  gone(key: string): string {
    const record = this.nodes.get(key);
    if (!record) return "does not exist";
    return flagged(record["d"]) ? "was deleted" : "is hidden";
  }
}

/** The namespace prefixes a record declares. */
export function declared(record: Rec): [string, string][] {
  const found: [string, string][] = [];
  for (const name in record) {
    const uri = record[name];
    if (name.startsWith("@xmlns") && typeof uri === "string") found.push([name.slice(7), uri]);
  }
  return found;
}
