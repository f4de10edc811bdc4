// A local edit, from the editor's words into registers of records: what differs between two tables of facts becomes a list of changes.
// Only what differs is written, with the file's own spelling wherever a value did not really change (numbers, prefixes, CDATA).
import { geometry } from "./geometry.ts";
import { equal, type Entry, type Fact, type Facts, type Table } from "./facts.ts";
import { Lists } from "./lists.ts";
import { Places } from "./places.ts";
import { Tags } from "./tags.ts";
import type { Identity } from "./identify.ts";
import type { Page } from "./page.ts";
import type { Change, DocumentStore } from "../document/store.ts";
import type { Json, Rec, ViewNode } from "../document/view.ts";
import type { Moddle, Property, Thing } from "./types.ts";

/** Things that would climb to a living container if only their container were marked deleted. */
const CLIMBS = ["bpmn:FlowElement", "bpmn:Artifact", "bpmn:Lane", "bpmn:LaneSet", "bpmn:Participant", "bpmn:MessageFlow", "di:DiagramElement"];

export interface Context {
  store: DocumentStore;
  moddle: Moddle;
  identity: Identity;
  random: () => number;
}

export class Translation {
  readonly tags: Tags;
  private readonly changes = new Map<string, Change>();

  constructor(
    readonly context: Context,
    readonly page: Page,
    readonly before: Table,
    readonly after: Table,
  ) {
    this.tags = new Tags(context.moddle, page);
  }

  run(): Change[] {
    for (const [key, entry] of this.after) {
      const old = this.before.get(key);
      if (!old) this.create(key, entry);
      else this.compare(key, old.facts, entry);
    }
    for (const [key, entry] of this.before) if (!this.after.has(key)) this.remove(key, entry);
    new Places(this).run();
    new Lists(this).run();
    for (const change of this.tags.declared) this.put(change.key, change.register, change.value);
    return [...this.changes.values()];
  }

  put(key: string, register: string, value: Json): void {
    this.changes.set(`${key}\n${register}`, { key, register, value });
  }

  record(key: string): Rec | undefined {
    return this.context.store.record(key);
  }

  /** The nearest node of the view: where prefixes for a new element are looked up. */
  near(key: string): ViewNode {
    for (let at: string | undefined = key; at !== undefined; at = this.parent(at)) {
      const node = this.page.nodes.get(at);
      if (node) return node;
    }
    return this.page.root;
  }

  parent(key: string): string | undefined {
    const place = (this.after.get(key) ?? this.before.get(key))?.facts.get("$in");
    return Array.isArray(place) ? String(place[0]) : undefined;
  }

  property(entry: Entry): Property | null {
    const place = entry.facts.get("$in");
    const owner = Array.isArray(place) ? this.after.get(String(place[0])) : undefined;
    return (Array.isArray(place) && owner?.thing.$descriptor.propertiesByName[String(place[1])]) || null;
  }

  private create(key: string, entry: Entry): void {
    const { tag, type } = this.tags.element(entry.thing, this.property(entry), this.near(key));
    this.put(key, "t", tag);
    const old = this.record(key);
    if (old) this.revive(key, old);
    if (type) this.put(key, `@${type[0]}`, type[1]);
    for (const [name, value] of entry.facts) this.write(key, name, undefined, value, entry.thing);
  }

  /** A record somebody deleted comes back as something new: nothing of its old self stays. */
  private revive(key: string, old: Rec): void {
    for (const register of Object.keys(old))
      if (/^(@|x$|b$|w$|cd$|d$)/.test(register)) this.put(key, register, null);
    for (const [child, record] of this.context.store.snapshot.nodes)
      if (Array.isArray(record["p"]) && record["p"][0] === key && record["d"] === undefined && !this.after.has(child))
        this.put(child, "d", 1);
  }

  private compare(key: string, old: Facts, { facts, thing }: Entry): void {
    const type = facts.get("$type");
    if (type !== old.get("$type")) this.retype(key, thing);
    for (const [name, value] of facts)
      if (!equal(old.get(name), value)) this.write(key, name, old.get(name), value, thing);
    for (const [name, value] of old) if (!facts.has(name)) this.write(key, name, value, undefined, thing);
  }

  private retype(key: string, thing: Thing): void {
    const entry = this.after.get(key) as Entry;
    const { tag, type } = this.tags.element(thing, this.property(entry), this.near(key));
    if (this.page.nodes.get(key)?.tag !== tag) this.put(key, "t", tag);
    const said = Object.keys(this.record(key) ?? {}).find((name) => name.startsWith("@") && name.endsWith(":type"));
    if (type) this.put(key, `@${type[0]}`, type[1]);
    else if (said && this.property(entry)?.xml?.serialize === "xsi:type") this.put(key, said, null);
  }

  private write(key: string, name: string, old: Fact | undefined, value: Fact | undefined, thing: Thing): void {
    const rest = name.slice(2);
    switch (name.slice(0, 2)) {
      case "a:":
        if (old === undefined && isDefault(thing, rest, value)) return;
        return this.put(key, `@${this.spelling(key, rest)}`, value === undefined ? null : String(value));
      case "g:":
        return this.put(key, `@${this.spelling(key, rest)}`, value === undefined ? null : String(value));
      case "r:":
        return this.put(key, `@${this.spelling(key, rest)}`, this.reference(key, `@${rest}`, value));
    }
    if (name === "x") this.text(key, value);
    else if (name === "b" || name === "w") {
      const record = this.record(key);
      const tag = name === "b" ? () => this.tags.name("dc", "Bounds", this.near(key)) : () => this.tags.name("di", "waypoint", this.near(key));
      if (value === undefined) this.put(key, name, null);
      else this.put(key, name, geometry(this.before.has(key) ? record?.[name] : undefined, this.measured(key, old, value as number[]), tag));
    }
  }

  /** bpmn-js measures the text of every label it moves. As long as neither text nor width changed, the height is the file's. */
  private measured(key: string, old: Fact | undefined, now: number[]): number[] {
    const drawn = this.after.get(key)?.thing;
    if (drawn?.$type !== "bpmndi:BPMNLabel" || !Array.isArray(old)) return now;
    const element = this.after.get(this.parent(key) ?? "")?.facts.get("r:bpmnElement");
    const name = (table: Table): Fact | undefined => table.get(String(element))?.facts.get("a:name");
    const same = Math.round(Number(old[2])) === Math.round(now[2] as number) && name(this.before) === name(this.after);
    return same ? [...now.slice(0, 3), Number(old[3])] : now;
  }

  /** The name an attribute already has in its record, else the one the file's prefixes give it. */
  private spelling(key: string, name: string): string {
    return this.record(key)?.[`@${name}`] !== undefined ? name : this.tags.attribute(name, this.near(key));
  }

  private reference(key: string, register: string, value: Fact | undefined): Json {
    if (value === undefined) return null;
    const old = this.record(key)?.[register];
    const q = typeof old === "object" && old !== null && !Array.isArray(old) ? old["q"] : undefined;
    return q === undefined ? { r: String(value) } : { r: String(value), q };
  }

  text(key: string, value: Fact | undefined): void {
    this.put(key, "x", value === undefined ? null : String(value));
    for (const child of this.page.nodes.get(key)?.children ?? [])
      if (child.kind === "#" && child.key !== null) this.put(child.key, "d", 1);
    const marks = this.record(key)?.["cd"];
    if (marks === undefined) return;
    const whole = Array.isArray(marks) && marks.length === 1 && Array.isArray(marks[0]) && String(marks[0][1]) === "1";
    this.put(key, "cd", whole && value !== undefined ? [[String(Array.from(String(value)).length), "1"]] : null);
  }

  private remove(key: string, { thing }: Entry): void {
    const parent = this.parent(key);
    const top = parent === undefined || this.after.has(parent);
    if (top || CLIMBS.some((type) => thing.$instanceOf(type))) this.put(key, "d", 1);
  }
}

/** moddle keeps defaults on the type; saying one aloud is no edit. */
function isDefault(thing: Thing, name: string, value: Fact | undefined): boolean {
  const property = thing.$descriptor.propertiesByName[name];
  return property?.default !== undefined && String(property.default) === String(value);
}
