// Undo is mine: whatever several people do in whatever order, taking back never changes a register that somebody else wrote since.
// The judge looks at Yjs' own items, not at what the history believes. A failing case is had again by its seed.
import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import { DocumentStore, type Change } from "../document/store.ts";
import { History } from "./history.ts";

const KEYS = ["Task_1", "Task_2", "Flow_1", "Doc_1"];
const REGISTERS = ["@name", "p", "b", "x"];
const VALUES = ["a", "b", "c", null];

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One person, with what the judge knows: which registers others wrote, and when. */
class Person {
  readonly doc = new Y.Doc();
  readonly store: DocumentStore;
  readonly history: History;
  readonly theirs = new Map<string, number>();
  readonly done: number[] = [];
  readonly undone: number[] = [];

  constructor(start: Uint8Array, client: number) {
    this.doc.clientID = client;
    Y.applyUpdate(this.doc, start);
    this.store = new DocumentStore(this.doc);
    this.history = new History(this.store, "undo");
  }

  /** Every register as the item that holds it: a rewrite with the same value is another one. Yjs joins deleted items, their last id stays. */
  items(): Map<string, string> {
    const found = new Map<string, string>();
    for (const [key, record] of this.doc.getMap<Y.Map<unknown>>("n"))
      for (const [register, { lastId, deleted }] of record._map)
        found.set(
          `${key} ${register}`,
          `${lastId.client}:${lastId.clock} ${deleted ? "gone" : marks(record.get(register))}`,
        );
    return found;
  }

  hear(other: Person, now: number): void {
    const before = this.items();
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(this.doc)));
    for (const name of different(before, this.items())) this.theirs.set(name, now);
  }
}

/** A text reads as its pieces, deleted ones too: typing and taking it back is writing. */
function marks(value: unknown): string {
  if (!(value instanceof Y.Text)) return "";
  let found = "";
  for (let item = value._start; item; item = item.right)
    found += `${item.id.client}:${item.id.clock}+${item.length}${item.deleted ? "-" : ""};`;
  return found;
}

const different = (a: Map<string, string>, b: Map<string, string>): string[] =>
  [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name));

function start(): Uint8Array {
  const doc = new Y.Doc();
  doc.clientID = 1;
  const store = new DocumentStore(doc);
  const changes = KEYS.flatMap((key) => [
    { key, register: "t", value: key === "Doc_1" ? "bpmn:documentation" : "bpmn:task" },
    ...REGISTERS.map((register) => ({ key, register, value: "start" })),
  ]);
  store.write(changes, null);
  return Y.encodeStateAsUpdate(doc);
}

function interleave(seed: number, steps: number): { turns: number; left: number } {
  const rng = random(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(rng() * list.length)] as T;
  const seeded = start();
  const people = [2, 3, 4].map((client) => new Person(seeded, client));
  const count = { turns: 0, left: 0 };
  for (let now = 1; now <= steps; now++) {
    const me = one(people);
    const kind = rng();
    if (kind < 0.4) {
      const changes: Change[] = Array.from({ length: 1 + Math.floor(rng() * 3) }, () => ({
        key: one(KEYS),
        register: one(REGISTERS),
        value: one(VALUES),
      }));
      if (rng() < 0.1)
        changes.push(...["t", "@name"].map((register) => ({ key: `~${seed}.${now}`, register, value: "bpmn:task" })));
      const written = me.store.write(changes, "edit");
      me.history.record(written);
      if (written.length > 0) {
        me.done.push(now);
        me.undone.length = 0;
      }
    } else if (kind < 0.65) {
      me.hear(one(people.filter((other) => other !== me)), now);
    } else {
      const redo = kind > 0.9;
      const [from, to] = redo ? [me.undone, me.done] : [me.done, me.undone];
      const before = me.items();
      const outcome = redo ? me.history.redo() : me.history.undo();
      const since = from.pop();
      expect(outcome === null, `seed ${seed}, step ${now}: the history and the judge count alike`).toBe(
        since === undefined,
      );
      if (!outcome || since === undefined) continue;
      count.turns += 1;
      count.left += outcome.left;
      if (outcome.done > 0) to.push(now);
      for (const name of different(before, me.items()))
        expect(
          me.theirs.get(name) ?? 0,
          `seed ${seed}, step ${now}: ${name} was written by somebody else since`,
        ).toBeLessThanOrEqual(since);
    }
  }
  return count;
}

describe("undo", () => {
  const first = Number(process.env["COLANE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

  it(`never changes a register that somebody else wrote since (seeds from ${first})`, () => {
    const sum = { turns: 0, left: 0 };
    for (let seed = first; seed < first + 300; seed++) {
      const { turns, left } = interleave(seed, 120);
      sum.turns += turns;
      sum.left += left;
    }
    expect(sum.turns, "something was taken back").toBeGreaterThan(1000);
    expect(sum.left, "something was left to others").toBeGreaterThan(100);
  });

  it("takes everything back when nobody else wrote, and does it again", () => {
    for (let seed = first; seed < first + 50; seed++) {
      const rng = random(seed);
      const me = new Person(start(), 2);
      const plain = (): string => JSON.stringify(KEYS.map((key) => me.store.record(key)));
      const before = plain();
      for (let step = 0; step < 30; step++)
        me.history.record(
          me.store.write(
            [0, 1].map(() => ({
              key: KEYS[Math.floor(rng() * KEYS.length)] as string,
              register: REGISTERS[Math.floor(rng() * REGISTERS.length)] as string,
              value: VALUES[Math.floor(rng() * 3)] as string,
            })),
            "edit",
          ),
        );
      const after = plain();
      while (me.history.undo());
      expect(plain(), `seed ${seed}`).toBe(before);
      while (me.history.redo());
      expect(plain(), `seed ${seed}`).toBe(after);
    }
  });
});
