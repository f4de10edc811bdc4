// Attributes by the grammar, default flows, ids: default, attribute, id. Mirror of collab/bpmn/repair/attributes.py.
import { base36, digest, sorted } from "./bytes.ts";
import { target, type Draft } from "./draft.ts";
import { derives, enumeration, shape, typed, type Shape } from "./grammar.ts";
import { fit, INTEGER, NAME, NCNAME, NUMBER, QNAME, strip, unfit } from "./names.ts";
import { remove, unhost } from "./sound.ts";
import type { Json } from "./types.ts";

const XSI = "http://www.w3.org/2001/XMLSchema-instance";
const BOOLEAN = new Set(["true", "false", "1", "0"]);

/** A default flow that leaves somebody else is no default. */
export function defaults(draft: Draft): void {
  for (const key of sorted(draft.parents.keys())) {
    const flow = target(draft.value(key, "@default"));
    if (flow === null || !draft.parents.has(flow)) continue;
    const source = draft.value(flow, "@sourceRef");
    if (target(source) === key || !draft.fires("default", key, [draft.value(key, "@default"), source])) continue;
    draft.report("default", key, `${draft.called(key)} shown without default: ${draft.name(flow)} does not leave it`, flow);
    draft.change(key, "@default", null);
  }
}

/** Every attribute of every shown element. */
export function attributes(draft: Draft): void {
  for (const key of sorted(draft.parents.keys())) {
    if (!draft.parents.has(key)) continue;
    const kind = draft.kind(key);
    if (["#", "!", "?"].includes(kind)) continue;
    const known = shapeOf(draft, key, kind);
    const record = draft.record(key);
    for (const name of sorted(Object.keys(record))) {
      const value = record[name] as Json;
      const seen = name.startsWith("@") ? draft.value(key, name) : undefined;
      if (seen === undefined || seen === null) continue;
      if (!fits(draft, key, name.slice(1), value, known) && draft.fires(`attribute${name}`, key, [record["t"], value]))
        leaveOut(draft, key, name, value);
    }
    if (!known) continue;
    text(draft, key, known);
    demand(draft, key, kind, known);
  }
}

/** Text where the schema wants elements only. */
function text(draft: Draft, key: string, known: Shape): void {
  const said = draft.value(key, "x");
  if (known.mixed || said === undefined || said === null || (typeof said === "string" && strip(said) === "")) return;
  if (!draft.fires("text", key, [draft.record(key)["t"], said])) return;
  draft.change(key, "x", null);
  draft.report("text", key, `${draft.called(key)} shown without its text: not allowed by the BPMN schema`);
}

/** The shape of an element; xsi:type may name a richer one (a formal expression where an expression stands). */
function shapeOf(draft: Draft, key: string, kind: string): Shape | null {
  const known = shape(kind);
  const named = draft.record(key)["@xsi:type"];
  if (known === null || typeof named !== "string") return known;
  return typed(strip(named.slice(named.lastIndexOf(":") + 1))) ?? known;
}

function fits(draft: Draft, key: string, name: string, given: Json, known: Shape | null): boolean {
  const value = target(given) === null ? given : "r";
  if (typeof value !== "string" || !NAME.test(name) || unfit(value)) return false;
  if (known === null || name === "xmlns" || name.startsWith("xmlns:")) return true;
  const declared = known.attributes.get(name);
  if (declared) return isTyped(declared[0], value);
  const colon = name.indexOf(":");
  if (colon < 0) return false;
  const prefix = name.slice(0, colon);
  if (prefix === "xml") return known.other;
  if ((draft.scope(key).prefixes.get(prefix) || draft.everywhere.get(prefix)) !== XSI) return known.other;
  return name.slice(colon + 1) !== "type" || derives(draft.kind(key), strip(value.slice(value.lastIndexOf(":") + 1)));
}

function isTyped(type: string, value: string): boolean {
  switch (type) {
    case "xsd:boolean":
      return BOOLEAN.has(strip(value));
    case "xsd:integer":
    case "xsd:int":
      return INTEGER.test(strip(value));
    case "xsd:double":
      return NUMBER.test(strip(value));
    case "xsd:ID":
    case "xsd:IDREF":
      return NCNAME.test(strip(value));
    case "xsd:QName":
      return QNAME.test(strip(value));
  }
  const words = enumeration(type);
  return words.size === 0 || words.has(value);
}

function leaveOut(draft: Draft, key: string, name: string, value: Json): void {
  const known = shapeOf(draft, key, draft.kind(key));
  const bare = name.slice(1);
  if (typeof value === "string" && NAME.test(bare) && (known === null || known.attributes.has(bare))) {
    const mended = fit(value);
    if (mended !== value && (known === null || isTyped(known.attributes.get(bare)?.[0] ?? "", mended))) {
      draft.change(key, name, mended);
      draft.report("attribute", key, `${bare} of ${draft.called(key)} holds characters XML cannot`);
      return;
    }
  }
  draft.change(key, name, null);
  draft.report("attribute", key, `${draft.called(key)} shown without ${bare}: not allowed by the BPMN schema`);
}

function demand(draft: Draft, key: string, kind: string, known: Shape): void {
  for (const [name, [, required]] of known.attributes) {
    const value = draft.value(key, `@${name}`);
    if (!required || (value !== undefined && value !== null)) continue;
    if (!draft.fires(`attribute@${name}`, key, [draft.record(key)["t"]])) continue;
    if (kind === "definitions") draft.change(key, `@${name}`, "");
    else if (kind === "boundaryEvent" && name === "attachedToRef") unhost(draft, key, "is not named", null);
    else {
      draft.report("attribute", key, `${draft.called(key)} hidden: it has no ${name}`);
      if (key !== draft.root) remove(draft, key);
    }
    if (!draft.parents.has(key) || draft.kind(key) !== kind) return;
  }
}

/** One id, one element; and what is referred to has one. */
export function identities(draft: Draft): void {
  const taken = new Map<string, string>();
  for (const key of sorted(draft.parents.keys())) {
    if (!shape(draft.kind(key))?.attributes.has("id")) continue;
    const said = draft.value(key, "@id");
    if (typeof said !== "string") continue;
    const id = strip(said);
    const keeper = taken.get(id) ?? key;
    taken.set(id, keeper);
    if (keeper === key || !draft.fires("id", key, [id, keeper])) continue;
    const other = `${id}_${base36(digest(key))}`;
    draft.change(key, "@id", other);
    if (!taken.has(other)) taken.set(other, key);
    draft.report("id", key, `${draft.word(key)} ${id} gets the id ${other}: two elements have the same`, keeper);
  }
  for (const key of sorted(draft.referrers.keys())) {
    if (!draft.parents.has(key) || typeof draft.value(key, "@id") === "string") continue;
    if (!draft.referrers.get(key)?.some(([by]) => draft.parents.has(by))) continue;
    const kind = draft.kind(key);
    const made = `${kind.slice(kind.lastIndexOf(":") + 1) || "element"}_${base36(digest(key))}`;
    draft.change(key, "@id", made);
    draft.report("id", key, `${draft.word(key)} gets the id ${made}: it has none, and is referred to`);
  }
}
