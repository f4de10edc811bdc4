// Which moddle object stands for which record, both ways.
import type { Thing } from "./types.ts";

export class Atlas {
  private readonly keys = new WeakMap<Thing, string>();
  private readonly things = new Map<string, Thing>();

  key(thing: Thing | null | undefined): string | undefined {
    const key = thing ? this.keys.get(thing) : undefined;
    return key !== undefined && this.things.get(key) === thing ? key : undefined;
  }

  thing(key: string): Thing | undefined {
    return this.things.get(key);
  }

  bind(key: string, thing: Thing): void {
    this.keys.set(thing, key);
    this.things.set(key, thing);
  }

  release(key: string): void {
    this.things.delete(key);
  }

  clear(): void {
    this.things.clear();
  }
}
