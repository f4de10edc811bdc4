// Gives every object of the editor's model the key of its record: the one it has, the one of the object it replaced, or a new one.
// bpmn-js makes a new object when it changes an element's type and when it lays out DI anew; the record must stay the same one.
// Things of which there may be only one have keys that two people would choose alike, so that they meet in one record.
import type { Atlas } from "./atlas.ts";
import { contained, folded, hollow, isThing, type Entry, type Table } from "./facts.ts";
import { local } from "./page.ts";
import type { Thing } from "./types.ts";

export interface Placed {
  thing: Thing;
  parent: string;
  property: string;
}

export class Identity {
  private counter = 0;

  constructor(
    private readonly atlas: Atlas,
    private readonly session: string,
    private readonly taken: (key: string) => boolean,
  ) {}

  fresh(): string {
    for (;;) {
      const key = `~${this.session}.${(this.counter++).toString(36)}`;
      if (!this.taken(key)) return key;
    }
  }

  /** Walks the model, parents first, and binds every object to a key. */
  settle(root: Thing, shadow: Table): Map<string, Placed> {
    const met = new Set<string>();
    mark(root, this.atlas, met);
    const gone = new Gone([...shadow].filter(([key]) => !met.has(key)));
    const placed = new Map<string, Placed>();
    const rootKey = this.atlas.key(root) as string;
    placed.set(rootKey, { thing: root, parent: "", property: "" });
    this.below(root, rootKey, gone, placed);
    return placed;
  }

  private below(owner: Thing, ownerKey: string, gone: Gone, placed: Map<string, Placed>): void {
    for (const [thing, property] of contained(owner)) {
      let key = this.atlas.key(thing);
      if (key === undefined) {
        if (hollow(thing) || (folded(thing) && !gone.had(ownerKey, property))) continue;
        key = gone.match(thing, ownerKey, property, this.atlas) ?? this.invent(thing, owner, ownerKey, property);
        this.atlas.bind(key, thing);
      }
      if (placed.has(key)) continue;
      placed.set(key, { thing, parent: ownerKey, property });
      this.below(thing, key, gone, placed);
    }
  }

  private invent(thing: Thing, owner: Thing, ownerKey: string, property: string): string {
    const wish = this.wish(thing, owner, ownerKey, property);
    return wish !== null && this.atlas.thing(wish) === undefined ? wish : this.fresh();
  }

  private wish(thing: Thing, owner: Thing, ownerKey: string, property: string): string | null {
    if (thing.$instanceOf("di:DiagramElement") && property === "planeElement") {
      const element = this.atlas.key(thing["bpmnElement"] as Thing | undefined);
      return element === undefined ? null : `${element}@${ownerKey}`;
    }
    if (thing.$type === "bpmn:Collaboration") {
      const plane = planes(owner).find((candidate) => candidate["bpmnElement"] === thing);
      const key = this.atlas.key(plane);
      return key === undefined ? null : `${key}/collaboration`;
    }
    const declared = owner.$descriptor.propertiesByName[property];
    if (!declared || declared.isMany) return null;
    const name = property === "label" ? local(thing.$type) : property;
    return `${ownerKey}/${name}`;
  }
}

function planes(definitions: Thing): Thing[] {
  const diagrams = definitions["diagrams"];
  return Array.isArray(diagrams) ? diagrams.map((diagram: Thing) => diagram["plane"]).filter(isThing) : [];
}

function mark(thing: Thing, atlas: Atlas, met: Set<string>): void {
  const key = atlas.key(thing);
  if (key !== undefined) {
    if (met.has(key)) return;
    met.add(key);
  }
  for (const [child] of contained(thing)) mark(child, atlas, met);
}

/** Records whose object is no longer in the model: candidates for objects that are new in it. */
class Gone {
  private readonly byId = new Map<string, string>();
  private readonly byElement = new Map<string, string>();
  private readonly byPlace = new Map<string, [string, Entry][]>();
  private readonly used = new Set<string>();

  constructor(entries: [string, Entry][]) {
    for (const [key, entry] of entries) {
      const id = entry.facts.get("a:id");
      if (typeof id === "string") this.byId.set(id, key);
      const place = entry.facts.get("$in");
      if (!Array.isArray(place)) continue;
      const element = entry.facts.get("r:bpmnElement");
      if (typeof element === "string") this.byElement.set(`${element}@${place[0] ?? ""}`, key);
      const name = place.join(" ");
      const list = this.byPlace.get(name);
      if (list) list.push([key, entry]);
      else this.byPlace.set(name, [[key, entry]]);
    }
  }

  /** Points that say more than where they are have records; when bpmn-js lays out an edge anew, its new points take them over. */
  had(parent: string, property: string): boolean {
    return this.byPlace.has(`${parent} ${property}`);
  }

  match(thing: Thing, parent: string, property: string, atlas: Atlas): string | null {
    const key = this.find(thing, parent, property, atlas);
    if (key === null || this.used.has(key)) return null;
    this.used.add(key);
    return key;
  }

  private find(thing: Thing, parent: string, property: string, atlas: Atlas): string | null {
    const id = thing["id"];
    const byId = typeof id === "string" ? this.byId.get(id) : undefined;
    if (byId !== undefined) return byId;
    const element = atlas.key(thing["bpmnElement"] as Thing | undefined);
    const byElement = element === undefined ? undefined : this.byElement.get(`${element}@${parent}`);
    if (byElement !== undefined) return byElement;
    const siblings = (this.byPlace.get(`${parent} ${property}`) ?? []).filter(([key]) => !this.used.has(key));
    const alike = siblings.filter(([, entry]) => entry.thing.$type === thing.$type);
    const sameText = alike.find(([, entry]) => text(entry.thing) === text(thing));
    if (sameText) return sameText[0];
    const named = typeof id === "string" && property !== "eventDefinitions";
    return (named ? undefined : (alike[0] ?? (siblings.length === 1 ? siblings[0] : undefined))?.[0]) ?? null;
  }
}

const text = (thing: Thing): string => {
  const value = thing["text"] ?? thing["body"] ?? thing.$body ?? thing["name"];
  return typeof value === "string" ? value : "";
};
