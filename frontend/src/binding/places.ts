// Where new and moved records stand: register `p` = [parent, index among siblings, home]. A child that keeps its place keeps its register.
import { compare } from "../document/view.ts";
import { between, steady } from "./order.ts";
import { equal, type Fact } from "./facts.ts";
import type { Translation } from "./translate.ts";

/** Lists whose order says nothing in BPMN. bpmn-js takes what is moved within a pool out of them and puts it back at the end: no edit. */
const UNORDERED: ReadonlySet<string> = new Set([
  "rootElements",
  "flowElements",
  "artifacts",
  "lanes",
  "participants",
  "messageFlows",
  "dataInputAssociations",
  "dataOutputAssociations",
  "planeElement",
]);

export class Places {
  private readonly given = new Map<string, string>();

  constructor(private readonly translation: Translation) {}

  run(): void {
    const { before, after } = this.translation;
    for (const [key, entry] of after)
      for (const [name, value] of entry.facts) {
        if (!name.startsWith("k:")) continue;
        const was = before.get(key)?.facts.get(name);
        if (equal(was, value)) continue;
        const [past, now] = [strings(was), strings(value)];
        this.list(key, past, now, UNORDERED.has(name.slice(2)) ? new Set(past) : steady(past, now));
      }
  }

  private list(parent: string, was: string[], now: string[], held: ReadonlySet<string>): void {
    const { before } = this.translation;
    const stays = (key: string): boolean => held.has(key) && before.has(key) && inside(before.get(key)?.facts.get("$in"), parent);
    if (now.every(stays)) return;
    const taken = this.taken(parent);
    now.forEach((key, i) => {
      if (stays(key)) return;
      if (inside(before.get(key)?.facts.get("$in"), parent) && !was.includes(key) && this.index(key) !== "") return;
      const previous = i > 0 ? this.index(now[i - 1] as string) : null;
      const following = now.slice(i + 1).find(stays);
      const limit = following === undefined ? null : this.index(following);
      const low = previous ?? (limit === null ? taken.at(-1) : taken.filter((t) => compare(t, limit) < 0).at(-1)) ?? "";
      const high = taken.find((index) => compare(index, low) > 0) ?? null;
      const index = between(low, high, this.translation.context.random);
      this.given.set(key, index);
      taken.push(index);
      taken.sort(compare);
      this.translation.put(key, "p", [parent, index, this.home(key, parent)]);
    });
  }

  /** Indices in use under a parent, in order. */
  private taken(parent: string): string[] {
    const found: string[] = [];
    const node = this.translation.page.nodes.get(parent);
    for (const child of node?.children ?? []) if (child.key !== null) found.push(this.index(child.key));
    const record = this.translation.record(parent);
    for (const name of ["b", "w"]) {
      const folded = record?.[name];
      if (Array.isArray(folded)) found.push(String(folded[1]));
    }
    return found.sort(compare);
  }

  private index(key: string): string {
    const given = this.given.get(key);
    if (given !== undefined) return given;
    const p = this.translation.record(key)?.["p"];
    return Array.isArray(p) && typeof p[1] === "string" ? p[1] : "";
  }

  /** The nearest root-level element above: where a node goes when its parents form a circle. */
  private home(key: string, parent: string): string {
    const root = this.translation.page.root.key;
    let at: string | undefined = parent;
    let last = key;
    while (at !== undefined && at !== root && at !== "") {
      last = at;
      at = this.translation.parent(at);
    }
    return last;
  }
}

const strings = (value: Fact | undefined): string[] => (Array.isArray(value) ? value.map(String) : []);
const inside = (place: Fact | undefined, parent: string): boolean => Array.isArray(place) && place[0] === parent;
