// Where a child element goes in a moddle object: which property, as an object, a reference or a plain value. moddle's own reading rules.
import { local, prefix, XSI, type Page } from "./page.ts";
import type { ViewNode } from "../document/view.ts";
import type { Descriptor, Moddle, Property } from "./types.ts";

export type Slot =
  | { as: "object"; property: Property; type: string | null }
  | { as: "reference"; property: Property }
  | { as: "value"; property: Property };

const SIMPLE = new Set(["String", "Boolean", "Integer", "Real"]);
export const simple = (type: string): boolean => SIMPLE.has(type);
const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

export class Slots {
  private readonly known = new Map<string, Slot | null>();

  constructor(private readonly moddle: Moddle) {}

  /** Null: moddle has no place for it, so the editor never sees it and never touches it. */
  of(owner: Descriptor, child: ViewNode, page: Page): Slot | null {
    if (child.kind === "#" || child.kind === "!" || child.kind === "?") return null;
    const uri = page.uri(child);
    const declared = child.attributes.find(
      ([name]) => name.endsWith(":type") && page.scope(child).get(prefix(name)) === XSI,
    )?.[1];
    const type = declared === undefined ? undefined : this.typeName(declared, child, page);
    const name = `${owner.name} ${uri ?? ""} ${local(child.tag)} ${type ?? ""}`;
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const slot = this.find(owner, local(child.tag), uri, type);
    this.known.set(name, slot);
    return slot;
  }

  private find(owner: Descriptor, name: string, uri: string | undefined, type: string | undefined): Slot | null {
    if (owner.isGeneric) return null;
    const pack = uri === undefined ? undefined : this.moddle.getPackage(uri);
    if (!pack) {
      const property = owner.properties.find((p) => !p.isReference && !p.isAttr && p.type === "Element");
      return property ? { as: "object", property, type: null } : null;
    }
    const named = owner.propertiesByName[`${pack.prefix}:${name}`];
    if (named && !named.isAttr && !named.isVirtual) {
      if (simple(named.type)) return { as: "value", property: named };
      if (named.isReference) return { as: "reference", property: named };
      return this.typed(named, (named.xml?.serialize === "xsi:type" && type) || named.type);
    }
    const wanted = `${pack.prefix}:${pack.xml?.tagAlias === "lowerCase" ? capital(name) : name}`;
    const kind = this.type(wanted);
    if (!kind) return null;
    const property = owner.properties.find(
      (p) => !p.isVirtual && !p.isReference && !p.isAttr && !simple(p.type) && kind.hasType(p.type),
    );
    return property ? this.typed(property, wanted) : null;
  }

  private typed(property: Property, type: string): Slot | null {
    return this.type(type) ? { as: "object", property, type } : null;
  }

  private type(name: string): ReturnType<Moddle["getType"]> | null {
    try {
      return this.moddle.getType(name);
    } catch {
      return null;
    }
  }

  /** `xsi:type="bpmn:tFormalExpression"` is bpmn:FormalExpression to moddle. */
  private typeName(declared: string, node: ViewNode, page: Page): string | undefined {
    const uri = page.scope(node).get(prefix(declared));
    const pack = uri === undefined ? undefined : this.moddle.getPackage(uri);
    if (!pack) return undefined;
    const bare = local(declared);
    for (const name of [bare.replace(/^t(?=[A-Z])/, ""), bare])
      if (this.type(`${pack.prefix}:${name}`)) return `${pack.prefix}:${name}`;
    return undefined;
  }
}
