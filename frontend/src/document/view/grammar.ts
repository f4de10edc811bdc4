// What the BPMN 2.0 schema allows where. Mirror of collab/bpmn/grammar.py; both read the same generated table.
// A kind is an element's name with its namespace made plain: "userTask", "bpmndi:BPMNShape", "dc:Bounds"; "" is foreign, "#" text, "!" comment, "?" PI.
import table from "../../../../collab/bpmn/grammar.json";

type Particle = [name: string, least: number, most: number];
interface Entry {
  base?: string;
  children?: Particle[];
  choices?: string[][][];
  attributes?: Record<string, [string, number]>;
  other?: number;
  any?: number;
  mixed?: number;
  abstract?: number;
}
const elements = table.elements as Record<string, string>;
const heads = table.heads as Record<string, string[]>;
const types = table.types as unknown as Record<string, Entry>;
const simple = table.simple as Record<string, string[]>;

export const MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL";
export const PREFIXES: ReadonlyMap<string, string> = new Map([
  [MODEL, ""],
  ["http://www.omg.org/spec/BPMN/20100524/DI", "bpmndi:"],
  ["http://www.omg.org/spec/DD/20100524/DC", "dc:"],
  ["http://www.omg.org/spec/DD/20100524/DI", "di:"],
]);

/** What one kind of element may hold, with everything inherited folded in. */
export interface Shape {
  ranks: Map<string, number>;
  most: Map<string, number>;
  least: [kinds: ReadonlySet<string>, count: number][];
  choices: string[][][];
  attributes: Map<string, [type: string, required: boolean]>;
  other: boolean;
  any: boolean;
  mixed: boolean;
}

function remembered<V>(make: (name: string) => V): (name: string) => V {
  const made = new Map<string, V>();
  return (name) => {
    if (made.has(name)) return made.get(name) as V;
    const value = make(name);
    made.set(name, value);
    return value;
  };
}

const own = <V>(from: Record<string, V>, name: string): V | undefined =>
  Object.hasOwn(from, name) ? from[name] : undefined;

/** The kinds that may stand where the schema says `head`: itself and what substitutes it, abstract ones left out. */
export const members = remembered((head: string): ReadonlySet<string> => {
  const entry = own(types, own(elements, head) ?? "");
  const found = new Set<string>(entry?.abstract ? [] : [head]);
  for (const member of own(heads, head) ?? []) for (const kind of members(member)) found.add(kind);
  return found;
});

/** The shape of a kind, or null for what the schema does not know. */
export const shape: (kind: string) => Shape | null = remembered((kind) => {
  const declared = own(elements, kind);
  if (declared === undefined) return null;
  const made = empty(declared.startsWith("xsd:"));
  if (!made.mixed) inherit(made, declared);
  return made;
});

/** May xsi:type name this type for an element of that kind? */
export function derives(kind: string, declared: string): boolean {
  const wanted = own(elements, kind);
  for (let at: string | undefined = declared; at !== undefined && own(types, at); at = own(types, at)?.base) if (at === wanted) return true;
  return false;
}

/** The shape of a type named by xsi:type, such as tFormalExpression. */
export const typed: (declared: string) => Shape | null = remembered((declared) => {
  if (own(types, declared) === undefined) return null;
  const made = empty(false);
  inherit(made, declared);
  return made;
});

function empty(mixed: boolean): Shape {
  const attributes = new Map<string, [string, boolean]>();
  return { ranks: new Map(), most: new Map(), least: [], choices: [], attributes, other: false, any: false, mixed };
}

function inherit(made: Shape, declared: string): void {
  const entry = own(types, declared);
  if (entry === undefined) return;
  if (entry.base !== undefined) inherit(made, entry.base);
  for (const [name, low, high] of entry.children ?? []) {
    const rank = made.least.length + 1;
    const kinds = members(name);
    made.least.push([kinds, low]);
    for (const kind of kinds) {
      if (made.ranks.has(kind)) continue;
      made.ranks.set(kind, rank);
      made.most.set(kind, high);
    }
  }
  made.choices.push(...(entry.choices ?? []));
  for (const [name, [type, required]] of Object.entries(entry.attributes ?? {}))
    made.attributes.set(name, [type, required === 1]);
  made.other ||= entry.other === 1;
  made.any ||= entry.any === 1;
  made.mixed ||= entry.mixed === 1;
}

/** The words a simple type of the schema allows; empty for the built-in types. */
export const enumeration = remembered((type: string): ReadonlySet<string> => new Set(own(simple, type) ?? []));
