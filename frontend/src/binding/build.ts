// The view, made into moddle objects, and the same objects brought up to a newer view in place. What moddle cannot hold is left out:
// the editor then never sees it, so no difference ever touches it. `make` creates objects, `fill` sets everything one object says.
import { content, local, prefix, type Page } from "./page.ts";
import { Slots, type Slot } from "./slots.ts";
import type { Atlas } from "./atlas.ts";
import type { Json, ViewNode } from "../document/view.ts";
import type { DocumentStore } from "../document/store.ts";
import type { Descriptor, Moddle, Property, Thing } from "./types.ts";

export class Builder {
  private readonly slots: Slots;

  constructor(
    private readonly moddle: Moddle,
    private readonly atlas: Atlas,
    private readonly store: DocumentStore,
  ) {
    this.slots = new Slots(moddle);
  }

  /** All objects first, so that references find their targets, then what they say. */
  all(page: Page): Thing {
    this.atlas.clear();
    const root = this.moddle.create("bpmn:Definitions");
    if (page.root.key !== null) this.atlas.bind(page.root.key, root);
    this.below(root, page.root, page);
    for (const node of page.nodes.values()) this.fill(node, page);
    return root;
  }

  /** Makes the objects under a node that are not there yet, or are of another type than they should be. Returns the keys made. */
  below(owner: Thing, node: ViewNode, page: Page, made: string[] = []): string[] {
    for (const child of node.children) {
      if (child.key === null) continue;
      const thing = this.make(owner.$descriptor, child, page, made);
      if (thing) this.below(thing, child, page, made);
    }
    return made;
  }

  private make(owner: Descriptor, node: ViewNode, page: Page, made: string[]): Thing | null {
    const key = node.key as string;
    const slot = owner.isGeneric ? null : this.slots.of(owner, node, page);
    if (owner.isGeneric ? node.kind !== "" && "#!?".includes(node.kind) : slot?.as !== "object") return null;
    const type = slot?.as === "object" ? slot.type : null;
    const old = this.atlas.thing(key);
    if (old && (type === null ? old.$descriptor.isGeneric : old.$type === type)) return old;
    const thing = type === null ? this.generic(node, page) : this.moddle.create(type);
    this.atlas.bind(key, thing);
    made.push(key);
    return thing;
  }

  private generic(node: ViewNode, page: Page): Thing {
    const uri = page.uri(node);
    const before = (uri === undefined ? undefined : this.moddle.getPackage(uri)?.prefix) ?? prefix(node.tag);
    return this.moddle.createAny(before ? `${before}:${local(node.tag)}` : node.tag, uri ?? "");
  }

  fill(node: ViewNode, page: Page): void {
    const thing = node.key === null ? undefined : this.atlas.thing(node.key);
    if (!thing) return;
    if (thing.$descriptor.isGeneric) this.fillGeneric(thing, node);
    else {
      this.fillAttributes(thing, node, page);
      this.fillChildren(thing, node, page);
    }
  }

  private fillGeneric(thing: Thing, node: ViewNode): void {
    const names = new Set<string>();
    for (const [name, value] of node.attributes) {
      names.add(name);
      thing[name] = value;
    }
    for (const name of Object.keys(thing)) if (!name.startsWith("$") && !names.has(name)) Reflect.deleteProperty(thing, name);
    const children = node.children.map((child) => this.object(child)).filter((child) => child !== undefined);
    for (const child of children) child.$parent = thing;
    if (children.length > 0) thing.$children = children;
    else delete thing.$children;
    const text = content(node);
    if (text.trim() === "") delete thing.$body;
    else thing.$body = text;
  }

  private object(node: ViewNode): Thing | undefined {
    return node.key === null ? undefined : this.atlas.thing(node.key);
  }

  private fillAttributes(thing: Thing, node: ViewNode, page: Page): void {
    const seen = new Set<string>();
    const foreign = new Set<string>();
    for (const [name, value] of node.attributes) {
      if (name === "xmlns") continue;
      const known = this.attribute(thing.$descriptor, name, node, page);
      if (known === "type") continue;
      if (known?.isAttr) {
        seen.add(known.name);
        const said = known.isReference ? this.target(node, `@${name}`, value, page) : read(known.type, value);
        if (said === undefined) Reflect.deleteProperty(thing, known.name);
        else if (thing[known.name] !== said || !Object.hasOwn(thing, known.name)) thing.set(known.name, said);
      } else if (thing.$attrs) {
        const plain = this.foreignName(name, node, page);
        foreign.add(plain);
        thing.$attrs[plain] = value;
      }
    }
    for (const property of thing.$descriptor.properties)
      if (property.isAttr && !seen.has(property.name) && Object.hasOwn(thing, property.name))
        Reflect.deleteProperty(thing, property.name);
    for (const name of Object.keys(thing.$attrs ?? {}))
      if (!foreign.has(name)) Reflect.deleteProperty(thing.$attrs as object, name);
  }

  private attribute(owner: Descriptor, name: string, node: ViewNode, page: Page): Property | "type" | undefined {
    const before = prefix(name);
    if (before === "") return owner.propertiesByName[name];
    const uri = page.scope(node).get(before);
    if (local(name) === "type" && uri?.endsWith("/XMLSchema-instance")) return "type";
    const pack = uri === undefined ? undefined : this.moddle.getPackage(uri);
    return pack ? owner.propertiesByName[`${pack.prefix}:${local(name)}`] : undefined;
  }

  private foreignName(name: string, node: ViewNode, page: Page): string {
    const uri = page.scope(node).get(prefix(name));
    const pack = uri === undefined ? undefined : this.moddle.getPackage(uri);
    return pack && prefix(name) !== "" ? `${pack.prefix}:${local(name)}` : name;
  }

  private fillChildren(thing: Thing, node: ViewNode, page: Page): void {
    const found = new Map<Property, unknown[]>();
    for (const child of node.children) {
      const slot = this.slots.of(thing.$descriptor, child, page);
      const said = slot ? this.said(slot, child, page) : undefined;
      if (!slot || said === undefined) continue;
      if (slot.as === "object") (said as Thing).$parent = thing;
      const list = found.get(slot.property);
      if (list) list.push(said);
      else found.set(slot.property, [said]);
    }
    for (const property of thing.$descriptor.properties) {
      if (property.isAttr || property.isVirtual || DERIVED.has(property.ns.name)) continue;
      if (property.isBody) setBody(thing, property, content(node));
      else this.settle(thing, property, found.get(property) ?? []);
    }
  }

  /** Sets a property to what was found, keeping arrays, bounds and points that are already right: bpmn-js holds on to them. */
  private settle(thing: Thing, property: Property, found: unknown[]): void {
    const { name } = property;
    if (property.isMany) {
      if (found.length === 0 && !Object.hasOwn(thing, name)) return;
      const list = thing.get(name) as unknown[];
      if (list.length !== found.length || list.some((part, i) => part !== found[i] && !equalPoints(part, found[i])))
        list.splice(0, list.length, ...found);
      return;
    }
    const now = thing[name];
    const next = found[0];
    if (next === undefined) Reflect.deleteProperty(thing, name);
    else if (isBounds(now) && isBounds(next) && this.atlas.key(next) === undefined) Object.assign(now, numbersOf(next));
    else if (now !== next) thing.set(name, next);
  }

  private said(slot: Slot, child: ViewNode, page: Page): unknown {
    if (slot.as === "value") return read(slot.property.type, content(child));
    if (slot.as === "reference") return this.target(child, "x", content(child).trim(), page);
    if (child.key !== null) return this.atlas.thing(child.key);
    return this.moddle.create(slot.type ?? "dc:Point", numbers(child));
  }

  /** A reference is what the record points at; one that came as text is looked up by id. */
  private target(node: ViewNode, register: string, text: string, page: Page): Thing | undefined {
    const value: Json | undefined = node.key === null ? undefined : this.store.record(node.key)?.[register];
    if (typeof value === "object" && value !== null && !Array.isArray(value) && typeof value["r"] === "string")
      return this.atlas.thing(value["r"]);
    const key = page.ids.get(text) ?? page.ids.get(local(text));
    return key === undefined ? undefined : this.atlas.thing(key);
  }
}

/** Lists the view derives from flows; `wire` keeps them, whatever the file's habit is. */
const DERIVED = new Set(["bpmn:incoming", "bpmn:outgoing"]);

export function read(type: string, value: string): unknown {
  if (type === "Boolean") return value.trim() === "true" || value.trim() === "1";
  if (type === "Integer") return Number.parseInt(value, 10);
  if (type === "Real" || type === "dc:Real") return Number.parseFloat(value);
  return value;
}

const numbers = (node: ViewNode): Record<string, number> =>
  Object.fromEntries(node.attributes.map(([name, value]) => [name, Number.parseFloat(value)]));

function setBody(thing: Thing, property: Property, text: string): void {
  if (text.trim() === "") Reflect.deleteProperty(thing, property.name);
  else thing.set(property.name, text);
}

const isThing = (value: unknown): value is Thing => typeof value === "object" && value !== null && "$type" in value;
const isBounds = (value: unknown): value is Thing => isThing(value) && value.$type === "dc:Bounds";
const numbersOf = ({ x, y, width, height }: Thing): object => ({ x, y, width, height });
const equalPoints = (a: unknown, b: unknown): boolean =>
  isThing(a) && isThing(b) && a.$type === "dc:Point" && b.$type === "dc:Point" && a["x"] === b["x"] && a["y"] === b["y"];
