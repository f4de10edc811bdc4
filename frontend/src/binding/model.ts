// The editor's model and the document's records, held together: what the editor did becomes changes of records, what the records became is
// patched into the editor's objects in place. Knows moddle, not the canvas. Always true after each call: the objects say what the view says,
// and `shadow` is what they say.
import { Atlas } from "./atlas.ts";
import { Builder } from "./build.ts";
import { equalFacts, factsOf, type Facts, type Table } from "./facts.ts";
import { Identity } from "./identify.ts";
import { Page } from "./page.ts";
import { Translation } from "./translate.ts";
import { wire } from "./wire.ts";
import { view, type View, type ViewNode } from "../document/view.ts";
import type { Change, DocumentStore } from "../document/store.ts";
import type { Moddle, Thing } from "./types.ts";

/** What a newer view changed in the editor's objects. */
export interface Patch {
  /** Objects whose facts differ now, by key. */
  changed: Set<string>;
  /** Objects that are new, or stand for a record anew after a change of type. */
  made: Set<string>;
  /** Objects that are gone, as they were. */
  gone: Map<string, Thing>;
}

export class Model {
  readonly atlas = new Atlas();
  definitions!: Thing;
  page!: Page;
  shadow: Table = new Map();
  private readonly builder: Builder;
  private readonly identity: Identity;

  constructor(
    private readonly moddle: Moddle,
    private readonly store: DocumentStore,
    private readonly random: () => number = Math.random,
  ) {
    this.builder = new Builder(moddle, this.atlas, store);
    const taken = (key: string): boolean => store.snapshot.nodes.has(key);
    this.identity = new Identity(this.atlas, store.doc.clientID.toString(36), taken);
  }

  /** Everything anew. */
  load(): Thing {
    this.page = new Page(this.see());
    this.definitions = this.builder.all(this.page);
    wire(this.page, this.atlas);
    this.claim();
    return this.definitions;
  }

  see(): View {
    return view(this.store.snapshot);
  }

  private claim(): void {
    const { ids } = this.moddle;
    if (!ids) return;
    ids.clear();
    for (const [id, key] of this.page.ids) {
      const thing = this.atlas.thing(key);
      if (thing) ids.claim(id, thing);
    }
  }

  /** After an import: the editor may have touched its objects while drawing; that is no edit. */
  settle(): void {
    this.shadow = this.table();
  }

  private table(): Table {
    const found: Table = new Map();
    for (const [key, { thing, parent, property }] of this.identity.settle(this.definitions, this.shadow))
      found.set(key, { thing, facts: factsOf(thing, this.atlas, parent === "" ? null : [parent, property]) });
    return found;
  }

  /** What the editor did since the last call, as changes of registers. */
  harvest(): Change[] {
    const before = this.shadow;
    const after = this.table();
    this.shadow = after;
    for (const key of before.keys()) if (!after.has(key)) this.atlas.release(key);
    return new Translation(
      { store: this.store, moddle: this.moddle, identity: this.identity, random: this.random },
      this.page,
      before,
      after,
    ).run();
  }

  /** Brings the objects up to the records, in place. `touched` are the records that changed; the view may change others too. */
  patch(): Patch {
    const old = this.page;
    this.page = new Page(this.see());
    const patch: Patch = { changed: new Set(), made: new Set(), gone: new Map() };
    const different = this.compare(old, patch);
    for (const key of different) {
      const node = this.page.nodes.get(key);
      const thing = this.atlas.thing(key);
      if (node && thing) for (const made of this.builder.below(thing, node, this.page)) patch.made.add(made);
    }
    this.refill(different, patch);
    return patch;
  }

  private compare(old: Page, patch: Patch): Set<string> {
    const different = new Set<string>();
    for (const [key, node] of this.page.nodes) {
      const was = old.nodes.get(key);
      const changed = was === undefined || !alike(was, node);
      const references = changed || this.atlas.thing(key) === undefined;
      if (references) this.add(key, node, different);
    }
    for (const key of old.nodes.keys())
      if (!this.page.nodes.has(key)) {
        const thing = this.atlas.thing(key);
        if (thing) patch.gone.set(key, thing);
        const { ids } = this.moddle;
        const id = thing?.["id"];
        if (ids && typeof id === "string" && !this.page.ids.has(id)) ids.unclaim(id);
      }
    return different;
  }

  /** A new node is its parent's business too: there it is placed. */
  private add(key: string, node: ViewNode, different: Set<string>): void {
    different.add(key);
    const parent = this.page.parents.get(node)?.key;
    if (parent !== undefined && parent !== null) different.add(parent);
  }

  private refill(different: Set<string>, patch: Patch): void {
    const flows = [...patch.gone.values()].some((thing) => thing.$type === "bpmn:SequenceFlow");
    for (const key of patch.gone.keys()) this.atlas.release(key);
    for (const key of patch.made) different.add(key);
    for (const key of this.pointing(patch)) different.add(key);
    let wired = flows || patch.made.size > 0;
    for (const key of different) {
      const node = this.page.nodes.get(key);
      if (!node) continue;
      this.builder.fill(node, this.page);
      wired ||= node.kind === "sequenceFlow";
      this.notice(key, node, patch);
    }
    if (wired) wire(this.page, this.atlas);
    for (const key of patch.gone.keys()) this.shadow.delete(key);
  }

  /** Objects that point at one that came or went must be filled again. */
  private pointing(patch: Patch): string[] {
    if (patch.made.size === 0 && patch.gone.size === 0) return [];
    const found: string[] = [];
    const moved = (key: string): boolean => patch.made.has(key) || patch.gone.has(key);
    for (const key of this.page.nodes.keys()) {
      const record = this.store.record(key);
      for (const name in record) {
        const value = record[name];
        if (typeof value === "object" && value !== null && "r" in value && typeof value["r"] === "string" && moved(value["r"])) {
          const node = this.page.nodes.get(key);
          const owner = name === "x" && node ? this.page.parents.get(node)?.key : key;
          if (typeof owner === "string") found.push(owner);
        }
      }
    }
    return found;
  }

  private notice(key: string, node: ViewNode, patch: Patch): void {
    const thing = this.atlas.thing(key);
    if (!thing) return;
    const parent = this.page.parents.get(node)?.key;
    const facts: Facts = factsOf(thing, this.atlas, typeof parent === "string" ? [parent, this.place(thing, parent)] : null);
    const was = this.shadow.get(key);
    if (!was || was.thing !== thing || !equalFacts(was.facts, facts)) patch.changed.add(key);
    const { ids } = this.moddle;
    const id = thing["id"];
    if (ids && typeof id === "string" && !ids.assigned(id)) ids.claim(id, thing);
    this.shadow.set(key, { thing, facts });
  }

  private place(thing: Thing, parent: string): string {
    const owner = this.atlas.thing(parent);
    if (!owner || owner.$descriptor.isGeneric) return "$children";
    for (const property of owner.$descriptor.properties) {
      if (property.isReference || property.isVirtual || !Object.hasOwn(owner, property.name)) continue;
      const value = owner[property.name];
      if (value === thing || (Array.isArray(value) && value.includes(thing))) return property.name;
    }
    return "";
  }
}

/** Whether two nodes say the same about themselves and which children they have. */
function alike(a: ViewNode, b: ViewNode): boolean {
  if (a.tag !== b.tag || a.text !== b.text) return false;
  if (a.attributes.length !== b.attributes.length || a.children.length !== b.children.length) return false;
  if (!a.attributes.every(([name, value], i) => b.attributes[i]?.[0] === name && b.attributes[i][1] === value)) return false;
  return a.children.every((child, i) => {
    const other = b.children[i] as ViewNode;
    if (child.key !== other.key || child.tag !== other.tag) return false;
    return child.key !== null ? child.text === other.text : alike(child, other);
  });
}
