// How a new element or attribute is written in this file: with the prefixes the file already uses, declared on the root where it has none.
import { MODEL, qualified, XSI, type Page } from "./page.ts";
import type { Change } from "../document/store.ts";
import type { ViewNode } from "../document/view.ts";
import type { Moddle, Property, Thing } from "./types.ts";

export class Tags {
  readonly declared: Change[] = [];
  private readonly added = new Map<string, string>();

  constructor(
    private readonly moddle: Moddle,
    private readonly page: Page,
  ) {}

  /** The name of an element, and its xsi:type where its place does not say its type. */
  element(thing: Thing, property: Property | null, at: ViewNode): { tag: string; type: [string, string] | null } {
    const { ns, isGeneric } = thing.$descriptor;
    if (isGeneric) return { tag: thing.$type, type: null };
    const how = property?.xml?.serialize;
    if (property && how !== undefined) {
      const tag = this.name(property.ns.prefix, property.ns.localName, at);
      const said = how === "xsi:type" && thing.$type !== property.type ? this.typeAttribute(thing, at) : null;
      return { tag, type: said };
    }
    return { tag: this.name(ns.prefix, this.alias(ns.prefix, ns.localName), at), type: null };
  }

  typeAttribute(thing: Thing, at: ViewNode): [string, string] {
    const { prefix, localName } = thing.$descriptor.ns;
    const before = this.moddle.getPackage(prefix)?.xml?.typePrefix ?? "";
    return [qualified(this.prefix(XSI, "xsi", at, true), "type"), this.name(prefix, before + localName, at)];
  }

  name(packagePrefix: string, localName: string, at: ViewNode): string {
    const uri = this.moddle.getPackage(packagePrefix)?.uri ?? MODEL;
    return qualified(this.prefix(uri, packagePrefix, at, false), localName);
  }

  /** An attribute with its package's prefix ("color:background-color"), as this file spells the prefix. */
  attribute(name: string, at: ViewNode): string {
    const colon = name.indexOf(":");
    if (colon < 0) return name;
    const pack = this.moddle.getPackage(name.slice(0, colon));
    return pack ? qualified(this.prefix(pack.uri, pack.prefix, at, true), name.slice(colon + 1)) : name;
  }

  private alias(packagePrefix: string, name: string): string {
    const lower = this.moddle.getPackage(packagePrefix)?.xml?.tagAlias === "lowerCase";
    return lower ? name.charAt(0).toLowerCase() + name.slice(1) : name;
  }

  private prefix(uri: string, wanted: string, at: ViewNode, attribute: boolean): string {
    const known = this.page.prefix(at, uri, attribute) ?? this.added.get(uri);
    if (known !== undefined) return known;
    const scope = this.page.scope(at);
    const above = this.page.scope(this.page.root);
    let name = wanted;
    for (let i = 1; scope.has(name) || above.has(name); i++) name = `${wanted}${i}`;
    this.added.set(uri, name);
    if (this.page.root.key !== null)
      this.declared.push({ key: this.page.root.key, register: `@xmlns:${name}`, value: uri });
    return name;
  }
}
