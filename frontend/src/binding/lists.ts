// Child elements that are values or references rather than objects of their own: <text>, <flowNodeRef>, <dataInputRefs> ...
// Lane membership is a register on the member, one for each lane set, so that nothing is ever in two lanes of one set.
import { between } from "./order.ts";
import { equal, type Fact } from "./facts.ts";
import { local } from "./page.ts";
import type { Translation } from "./translate.ts";
import type { Json, Rec, ViewNode } from "../document/view.ts";

export class Lists {
  constructor(private readonly translation: Translation) {}

  run(): void {
    const { before, after } = this.translation;
    const lanes: [lane: string, gone: string[], come: string[]][] = [];
    for (const [key, entry] of after) {
      const old = before.get(key)?.facts;
      for (const name of new Set([...entry.facts.keys(), ...(old?.keys() ?? [])])) {
        if (!name.startsWith("l:") && !name.startsWith("c:")) continue;
        const was = old?.get(name);
        const now = entry.facts.get(name);
        if (equal(was, now)) continue;
        if (name === "l:flowNodeRef") lanes.push([key, missing(was, now), missing(now, was)]);
        else if (name.startsWith("l:")) this.references(key, name.slice(2), missing(was, now), missing(now, was));
        else this.values(key, name.slice(2), strings(now));
      }
    }
    for (const [lane, gone] of lanes) this.leave(lane, gone);
    for (const [lane, , come] of lanes) this.enter(lane, come);
  }

  private leave(lane: string, members: string[]): void {
    const register = `l:${this.translation.parent(lane) ?? ""}`;
    for (const member of members) {
      const said = this.translation.record(member)?.[register];
      if (Array.isArray(said) && said[0] === lane) this.translation.put(member, register, null);
    }
    this.references(lane, "flowNodeRef", members, []);
  }

  private enter(lane: string, members: string[]): void {
    const register = `l:${this.translation.parent(lane) ?? ""}`;
    let last = "";
    for (const record of this.translation.context.store.snapshot.nodes.values()) {
      const said = record[register];
      if (Array.isArray(said) && said[0] === lane && String(said[1]) > last) last = String(said[1]);
    }
    for (const member of members) {
      last = between(last === "" ? "a0" : last, null, this.translation.context.random);
      this.translation.put(member, register, [lane, last]);
    }
  }

  /** Elements that only name another element: one record each, `x` points at the target. */
  private references(owner: string, name: string, gone: string[], come: string[]): void {
    for (const child of this.children(owner, name)) {
      const value = this.translation.record(child.key as string)?.["x"];
      if (isReference(value) && gone.includes(value.r)) this.translation.put(child.key as string, "d", 1);
    }
    for (const to of come) this.add(this.translation.context.identity.fresh(), owner, name, { r: to });
  }

  private values(owner: string, name: string, now: string[]): void {
    const children = this.children(owner, name);
    now.forEach((text, i) => {
      const child = children[i]?.key;
      if (child !== undefined && child !== null) {
        if (this.translation.record(child)?.["x"] !== text) this.translation.text(child, text);
      } else {
        const single = `${owner}/${name}`;
        const key = i === 0 && !this.alive(single) ? single : this.translation.context.identity.fresh();
        this.add(key, owner, name, text);
      }
    });
    for (const child of children.slice(now.length)) this.translation.put(child.key as string, "d", 1);
  }

  private alive(key: string): boolean {
    return this.translation.page.nodes.has(key);
  }

  private add(key: string, owner: string, name: string, x: Json): void {
    const { translation } = this;
    const property = translation.after.get(owner)?.thing.$descriptor.propertiesByName[name];
    const node = translation.page.nodes.get(owner);
    const indices = (node?.children ?? []).flatMap((child) => indexOf(child.key === null ? undefined : translation.record(child.key)));
    const low = indices.reduce((most, index) => (index > most ? index : most), "a0");
    translation.put(key, "t", translation.tags.name(property?.ns.prefix ?? "bpmn", name, translation.near(owner)));
    translation.put(key, "p", [owner, between(low, null, translation.context.random), homeOf(translation.record(owner)) ?? owner]);
    translation.put(key, "x", x);
    if (translation.record(key)) translation.put(key, "d", null);
  }

  private children(owner: string, name: string): ViewNode[] {
    const node = this.translation.page.nodes.get(owner);
    return (node?.children ?? []).filter((child) => child.key !== null && child.kind !== "" && local(child.tag) === name);
  }
}

const strings = (value: Fact | undefined): string[] => (Array.isArray(value) ? value.map(String) : []);
const missing = (from: Fact | undefined, to: Fact | undefined): string[] => {
  const there = new Set(strings(to));
  return strings(from).filter((part) => !there.has(part));
};
const isReference = (value: Json | undefined): value is { r: string } =>
  typeof value === "object" && value !== null && !Array.isArray(value) && typeof value["r"] === "string";
const indexOf = (record: Rec | undefined): string[] => {
  const p = record?.["p"];
  return Array.isArray(p) && typeof p[1] === "string" ? [p[1]] : [];
};
const homeOf = (record: Rec | undefined): string | undefined => {
  const p = record?.["p"];
  return Array.isArray(p) && typeof p[2] === "string" ? p[2] : undefined;
};
