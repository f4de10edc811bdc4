// Undo is mine: whatever several people do in whatever order, taking back never changes a register that somebody else wrote since,
// and takes back all the rest. The judge looks at Yjs' own items, not at what the history believes. A failing case is had again by
// its seed.
import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import { DocumentStore, same, type Change, type Written } from "../document/store.ts";
import type { Json } from "../document/view.ts";
import { History } from "./history.ts";

const KEYS = ["Task_1", "Task_2", "Flow_1", "Doc_1"];
const BOX = ["dc:Bounds", "a0", "1", "2", "30", "40"];
/** What a register may come to hold; it begins as the first. */
const VALUES: Record<string, readonly Json[]> = {
  "@name": ["a", "b", "c", null],
  "@sourceRef": [{ r: "Task_1" }, { r: "Task_2" }, null],
  p: [["Process_1", "a0", "Process_1"], ["Task_1", "a1", "Process_1"], ["Task_2", "a1", "Process_1"]],
  b: [BOX, BOX.with(2, "7"), BOX.with(3, "8"), null],
  x: ["start", "started", "art", "", null],
  d: [null, 1],
};
const REGISTERS = Object.keys(VALUES);
const SEEDS = Number(process.env["COLANE_SEEDS"] ?? 100);

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A command as the judge remembers it: when, and which registers. */
interface Done {
  at: number;
  wrote: Written[];
}

/** One person, with what the judge knows: which registers others wrote, and when. */
class Person {
  readonly doc = new Y.Doc();
  readonly store: DocumentStore;
  readonly history: History;
  readonly theirs = new Map<string, number>();
  readonly done: Done[] = [];
  readonly undone: Done[] = [];

  constructor(start: Uint8Array, client: number) {
    this.doc.clientID = client;
    Y.applyUpdate(this.doc, start);
    this.store = new DocumentStore(this.doc);
    this.history = new History(this.store, "undo");
  }

  /**
   * Every register as the item that holds it: a rewrite with the same value is another one. Yjs joins deleted items, their last id
   * stays. A record itself is the register "*": who replaces it writes all of them.
   */
  items(): Map<string, string> {
    const found = new Map<string, string>();
    const nodes = this.doc.getMap<Y.Map<unknown>>("n");
    for (const [key, record] of nodes) {
      found.set(`${key} *`, `${record._item?.id.client}:${record._item?.id.clock}`);
      for (const [register, { lastId, deleted }] of record._map)
        found.set(
          `${key} ${register}`,
          `${lastId.client}:${lastId.clock} ${deleted ? "gone" : marks(record.get(register))}`,
        );
    }
    return found;
  }

  hear(other: Person, now: number): void {
    const before = this.items();
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(this.doc)));
    for (const name of different(before, this.items())) this.theirs.set(name, now);
  }

  /** Did somebody else write this register after that time? */
  taken({ key, register }: Written, since: number): boolean {
    return Math.max(this.theirs.get(`${key} ${register}`) ?? 0, this.theirs.get(`${key} *`) ?? 0) > since;
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
    ...REGISTERS.map((register) => ({ key, register, value: VALUES[register]?.[0] ?? null })),
  ]);
  store.write(changes, null);
  return Y.encodeStateAsUpdate(doc);
}

/** One command: some registers, a deletion or its contrary with all that goes with it, a move into another parent, something new. */
function command(me: Person, rng: () => number, now: number): Change[] {
  const one = <T>(list: readonly T[]): T => list[Math.floor(rng() * list.length)] as T;
  const keys = [...me.store.snapshot.nodes.keys()];
  const some = (): string[] => [...new Set([one(keys), one(keys), one(keys)].slice(0, 1 + Math.floor(rng() * 3)))];
  const value = (register: string): Json => one(VALUES[register] ?? []);
  const kind = rng();
  if (kind < 0.15) return some().map((key) => ({ key, register: "d", value: 1 }));
  if (kind < 0.25) return some().map((key) => ({ key, register: "d", value: null }));
  if (kind < 0.4) return some().flatMap((key) => ["p", "b"].map((register) => ({ key, register, value: value(register) })));
  if (kind < 0.5) {
    // A part of an element has one name: two people may make the same one.
    const key = rng() < 0.5 ? `${one(KEYS)}/part` : `~${me.doc.clientID}.${now}`;
    const made = ["p", "@name"].map((register) => ({ key, register, value: value(register) }));
    return [{ key, register: "t", value: "bpmn:task" }, ...made];
  }
  const registers = [...new Set([one(REGISTERS), one(REGISTERS)])];
  return some().flatMap((key) => registers.map((register) => ({ key, register, value: value(register) })));
}

const COUNTED = { turns: 0, left: 0, redone: 0, gone: 0, moved: 0 };

function interleave(seed: number, steps: number): typeof COUNTED {
  const rng = random(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(rng() * list.length)] as T;
  const seeded = start();
  const people = [2, 3, 4].map((client) => new Person(seeded, client));
  const count = { ...COUNTED };
  for (let now = 1; now <= steps; now++) {
    const me = one(people);
    const kind = rng();
    if (kind < 0.4) {
      const wrote = me.store.write(command(me, rng, now), "edit");
      me.history.record(wrote);
      if (wrote.length > 0) {
        me.done.push({ at: now, wrote });
        me.undone.length = 0;
      }
    } else if (kind < 0.65) {
      me.hear(one(people.filter((other) => other !== me)), now);
    } else {
      const redo = kind > 0.87;
      const [from, to] = redo ? [me.undone, me.done] : [me.done, me.undone];
      const before = me.items();
      const outcome = redo ? me.history.redo() : me.history.undo();
      const step = from.pop();
      const where = `seed ${seed}, step ${now}`;
      expect(outcome === null, `${where}: the history and the judge count alike`).toBe(step === undefined);
      if (!outcome || step === undefined) continue;
      const mine = step.wrote.filter((wrote) => !me.taken(wrote, step.at));
      expect(outcome, where).toEqual({ done: mine.length, left: step.wrote.length - mine.length });
      const names = new Set(mine.map(({ key, register }) => `${key} ${register}`));
      for (const name of different(before, me.items()))
        expect(names.has(name), `${where}: ${name} is not mine to take back`).toBe(true);
      for (const { key, register, before: was } of mine) {
        const held = me.store.record(key)?.[register];
        expect(same(held, was ?? undefined), `${where}: ${key} ${register} is taken back`).toBe(true);
        count.gone += Number(register === "d");
        count.moved += Number(register === "p");
      }
      count.turns += 1;
      count.left += outcome.left;
      count.redone += Number(redo);
      if (mine.length > 0)
        to.push({ at: now, wrote: mine.map((wrote) => ({ ...wrote, before: wrote.after, after: wrote.before })) });
    }
  }
  for (const me of people) for (const other of people) if (me !== other) me.hear(other, steps + 1);
  for (const me of people) for (const other of people) if (me !== other) me.hear(other, steps + 1);
  const [first, ...others] = people.map((me) => Object.fromEntries(me.store.snapshot.nodes));
  for (const other of others) expect(other, `seed ${seed}: everybody has the same`).toEqual(first);
  return count;
}

describe("undo", () => {
  const first = Number(process.env["COLANE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

  it(`never changes a register that somebody else wrote since (seeds from ${first})`, () => {
    const sum = { ...COUNTED };
    for (let seed = first; seed < first + SEEDS; seed++)
      for (const [name, value] of Object.entries(interleave(seed, 120))) sum[name as keyof typeof sum] += value;
    expect(sum.turns, "something was taken back").toBeGreaterThan(10 * SEEDS);
    expect(sum.redone, "and done again").toBeGreaterThan(SEEDS);
    expect(sum.left, "something was left to others").toBeGreaterThan(SEEDS);
    expect(sum.gone, "deletions were taken back").toBeGreaterThan(SEEDS);
    expect(sum.moved, "and moves to another parent").toBeGreaterThan(SEEDS);
  }, 60_000 + SEEDS * 200);

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
              value: VALUES["@name"]?.[Math.floor(rng() * 3)] as string,
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
