// What the editor's model says, as plain comparable values: one entry an object, one fact a property. The difference between two of these
// tables is a local edit. Built from moddle only, so whatever moddle cannot express can never be part of a difference.
//   $type            the moddle type                 $in   [parent key, property]
//   a:<attribute>    string, number, boolean         g:<attribute>  foreign attribute
//   r:<attribute>    key of the target               l:<element>    keys of targets (flowNodeRef and such)
//   c:<element>      plain values of child elements  x              text
//   b, w             bounds, waypoints as numbers    k:<property>   keys of the children, in order
import type { Atlas } from "./atlas.ts";
import { simple } from "./slots.ts";
import type { Property, Thing } from "./types.ts";

export type Fact = string | number | boolean | (string | number)[];
export type Facts = Map<string, Fact>;
export interface Entry {
  thing: Thing;
  facts: Facts;
}
export type Table = Map<string, Entry>;

/** Derived on export from flows and lanes. */
const LEFT_OUT = new Set(["bpmn:incoming", "bpmn:outgoing"]);

export const isThing = (value: unknown): value is Thing =>
  typeof value === "object" && value !== null && "$type" in value;

/** The name of an attribute as the file writes it: own and inherited ones bare, those of extensions with their package's prefix. */
export const attributeName = (property: Property): string =>
  property.inherited ? property.ns.localName : property.ns.name;

/** Contained objects of a thing with the property that holds them, in order. Bounds and points without a record are not objects. */
export function* contained(thing: Thing): Generator<[Thing, string]> {
  if (thing.$descriptor.isGeneric) {
    for (const child of thing.$children ?? []) yield [child, "$children"];
    return;
  }
  for (const property of thing.$descriptor.properties) {
    if (!holds(property) || !Object.hasOwn(thing, property.name)) continue;
    const value = thing[property.name];
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value])
      if (isThing(child)) yield [child, property.name];
  }
}

const holds = (property: Property): boolean =>
  !property.isAttr && !property.isReference && !property.isVirtual && !property.isBody && !simple(property.type);

export const folded = (thing: Thing): boolean => thing.$type === "dc:Bounds" || thing.$type === "dc:Point";

/** An empty label: bpmn-js makes one for every name it edits. It says nothing, so it is no edit until it has bounds. */
export const hollow = (thing: Thing): boolean =>
  thing.$type === "bpmndi:BPMNLabel" && !thing["bounds"] && !thing["labelStyle"] && Object.keys(thing.$attrs ?? {}).length === 0;

export function factsOf(thing: Thing, atlas: Atlas, place: [string, string] | null): Facts {
  const facts: Facts = new Map();
  facts.set("$type", thing.$type);
  if (place) facts.set("$in", place);
  if (thing.$descriptor.isGeneric) generic(thing, facts, atlas);
  else {
    for (const property of thing.$descriptor.properties) state(thing, property, facts, atlas);
    for (const [name, value] of Object.entries(thing.$attrs ?? {}))
      if (!name.startsWith("xmlns") && isPlain(value)) facts.set(`g:${name}`, value);
  }
  return facts;
}

function generic(thing: Thing, facts: Facts, atlas: Atlas): void {
  for (const name of Object.keys(thing)) {
    const value = thing[name];
    if (!name.startsWith("$") && !name.startsWith("xmlns") && isPlain(value)) facts.set(`g:${name}`, value);
  }
  if (typeof thing.$body === "string" && thing.$body.trim() !== "") facts.set("x", thing.$body);
  const children = keysOf(thing.$children ?? [], atlas);
  if (children.length > 0) facts.set("k:$children", children);
}

function state(thing: Thing, property: Property, facts: Facts, atlas: Atlas): void {
  const { name } = property;
  if (property.isVirtual || LEFT_OUT.has(property.ns.name) || !Object.hasOwn(thing, name)) return;
  const value = thing[name];
  if (value === undefined || value === null) return;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (property.isReference) {
    const keys = keysOf(list, atlas);
    if (keys.length === 0) return;
    if (property.isAttr) facts.set(`r:${attributeName(property)}`, keys[0] as string);
    else facts.set(`l:${name}`, keys);
  } else if (property.isAttr) {
    if (isPlain(value)) facts.set(`a:${attributeName(property)}`, value);
  } else if (property.isBody) {
    if (String(value).trim() !== "") facts.set("x", String(value));
  } else if (simple(property.type)) {
    if (list.length > 0) facts.set(`c:${name}`, list.map(String));
  } else objects(name, list.filter(isThing), facts, atlas);
}

function objects(name: string, list: Thing[], facts: Facts, atlas: Atlas): void {
  const keyless = list.filter((child) => folded(child) && atlas.key(child) === undefined);
  const [first] = keyless;
  if (first?.$type === "dc:Bounds")
    facts.set(
      "b",
      ["x", "y", "width", "height"].map((side) => Number(first[side] ?? 0)),
    );
  else if (first)
    facts.set(
      "w",
      keyless.flatMap((point) => [Number(point["x"]), Number(point["y"])]),
    );
  const keys = keysOf(list, atlas);
  if (keys.length > 0) facts.set(`k:${name}`, keys);
}

const keysOf = (list: unknown[], atlas: Atlas): string[] =>
  list.map((part) => (isThing(part) ? atlas.key(part) : undefined)).filter((key) => key !== undefined);

const isPlain = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";

export function equal(a: Fact | undefined, b: Fact | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((part, i) => part === b[i]);
  return a === b;
}

export const equalFacts = (a: Facts, b: Facts): boolean =>
  a.size === b.size && [...a].every(([name, value]) => equal(value, b.get(name)));
