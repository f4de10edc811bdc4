// The live mirror of the shared document: plain records kept up to date by one deep observer, and the one way to write them.
// Always true: `snapshot` equals the document; every local change is one transaction; a record is never removed, only marked `d`.
// The binding reads and writes through this; nobody else knows that records are Y.Maps.
import * as Y from "yjs";
import type { Json, Rec, Snapshot } from "./view.ts";

/** One register of one record; null removes the register. */
export interface Change {
  key: string;
  register: string;
  value: Json;
}

/** What a write did to one register; undefined is "not there". A new record counts as one change of `d`. */
export interface Written {
  key: string;
  register: string;
  before: Json | undefined;
  after: Json | undefined;
}

/** Which registers of which records changed; a record that came, went or was replaced has `null`: all of them. */
export type Touched = Map<string, Set<string> | null>;
export type Listener = (touched: Touched, origin: unknown, local: boolean) => void;

/** Elements whose text several people may type in at once. Mirror of what the import does. */
const SHARED_TEXT =
  /(^|:)(documentation|text|script|body|.*[eE]xpression|condition|.*Condition|loopCardinality|time(Date|Cycle|Duration)|from|to)$/;
const LONG = 256;

export class DocumentStore {
  readonly doc: Y.Doc;
  readonly snapshot: Snapshot = { meta: {}, nodes: new Map<string, Rec>() };
  private readonly meta: Y.Map<unknown>;
  private readonly nodes: Y.Map<unknown>;
  private readonly listeners = new Set<Listener>();
  private readonly observer = (events: Y.YEvent<Y.AbstractType<unknown>>[], transaction: Y.Transaction): void =>
    this.mirror(events, transaction);
  private readonly metaObserver = (_: unknown, transaction: Y.Transaction): void => {
    this.snapshot.meta = plain(this.meta) as Record<string, Json>;
    this.tell(new Map(), transaction);
  };

  constructor(doc: Y.Doc) {
    this.doc = doc;
    this.meta = doc.getMap("meta");
    this.nodes = doc.getMap("n");
    this.snapshot.meta = plain(this.meta) as Record<string, Json>;
    for (const [key, value] of this.nodes) this.read(key, value);
    this.nodes.observeDeep(this.observer as Parameters<typeof this.nodes.observeDeep>[0]);
    this.meta.observe(this.metaObserver);
  }

  destroy(): void {
    this.nodes.unobserveDeep(this.observer as Parameters<typeof this.nodes.unobserveDeep>[0]);
    this.meta.unobserve(this.metaObserver);
    this.listeners.clear();
  }

  onChange(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  record(key: string): Rec | undefined {
    return this.snapshot.nodes.get(key);
  }

  /** Writes all changes in one transaction and says what each register was before; equal values are not written. */
  write(changes: readonly Change[], origin: unknown): Written[] {
    const byKey = new Map<string, Change[]>();
    for (const change of changes) {
      const list = byKey.get(change.key);
      if (list) list.push(change);
      else byKey.set(change.key, [change]);
    }
    const written: Written[] = [];
    this.doc.transact(() => {
      for (const [key, list] of byKey) {
        const record = this.nodes.get(key);
        if (record instanceof Y.Map) for (const change of list) this.set(record as Y.Map<unknown>, change, written);
        else written.push(...this.create(key, list));
      }
    }, origin);
    return written;
  }

  private create(key: string, list: readonly Change[]): Written[] {
    const values = new Map(list.filter((change) => change.value !== null).map((c) => [c.register, c.value]));
    if (!values.has("t")) return [];
    const record = new Y.Map<unknown>();
    const tag = String(values.get("t"));
    for (const [register, value] of values) record.set(register, stored(tag, register, value));
    this.nodes.set(key, record);
    return [{ key, register: "d", before: "1", after: undefined }];
  }

  private set(record: Y.Map<unknown>, { key, register, value }: Change, written: Written[]): void {
    const before = this.snapshot.nodes.get(key)?.[register];
    if (value === null ? before === undefined : same(before, value)) return;
    written.push({ key, register, before, after: value ?? undefined });
    const held = record.get(register);
    if (value === null) record.delete(register);
    else if (held instanceof Y.Text && typeof value === "string") retype(held, value);
    else record.set(register, stored(String(record.get("t")), register, value));
  }

  private mirror(events: Y.YEvent<Y.AbstractType<unknown>>[], transaction: Y.Transaction): void {
    const touched: Touched = new Map();
    for (const event of events)
      if (event.target === (this.nodes as unknown)) for (const key of event.changes.keys.keys()) touched.set(key, null);
      else if (touched.get(String(event.path[0])) !== null) {
        const [key, register] = event.path.map(String) as [string, string?];
        const registers = touched.get(key) ?? new Set();
        for (const name of register === undefined ? replaced(event) : [register]) registers.add(name);
        touched.set(key, registers);
      }
    for (const key of touched.keys()) this.read(key, this.nodes.get(key));
    this.tell(touched, transaction);
  }

  private read(key: string, value: unknown): void {
    if (value instanceof Y.Map) this.snapshot.nodes.set(key, plain(value) as Rec);
    else this.snapshot.nodes.delete(key);
  }

  private tell(touched: Touched, transaction: Y.Transaction): void {
    for (const listener of this.listeners) listener(touched, transaction.origin, transaction.local);
  }
}

const plain = (value: Y.Map<unknown>): unknown => value.toJSON();

/** The registers that hold what this event brought, or lost by it. `changes.keys` would miss one that was set and taken away again. */
function* replaced(event: Y.YEvent<Y.AbstractType<unknown>>): Iterable<string> {
  for (const name of (event as unknown as Y.YMapEvent<unknown>).keysChanged) {
    const item = event.target._map.get(String(name));
    if (item && (event.adds(item) || event.deletes(item))) yield String(name);
  }
}

function stored(tag: string, register: string, value: Json): unknown {
  if (register !== "x" || typeof value !== "string") return value;
  return SHARED_TEXT.test(tag) || value.length > LONG ? new Y.Text(value) : value;
}

/** Changes only the part that differs, so that two people typing in one text keep both. */
function retype(text: Y.Text, next: string): void {
  const now = text.toJSON();
  let start = 0;
  while (start < now.length && start < next.length && now[start] === next[start]) start++;
  if (start > 0 && /[\ud800-\udbff]/.test(now[start - 1] as string)) start--;
  let end = 0;
  while (end < now.length - start && end < next.length - start && now.at(-1 - end) === next.at(-1 - end)) end++;
  if (end > 0 && /[\udc00-\udfff]/.test(now.at(-end) as string)) end--;
  if (now.length - end > start) text.delete(start, now.length - end - start);
  if (next.length - end > start) text.insert(start, next.slice(start, next.length - end));
}

/** Deep equality of plain values. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b))
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((part, i) => same(part, b[i]));
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => same(a[name], b[name]));
}
