// One diagram's live session: ticket, socket, provider, back-off. The phases are machine.ts; this file only performs them.
// Invariants: every (re)connect has a ticket of its own, fetched before the socket opens, so nothing is sent before Auth;
// nothing is queued while there is no socket (the handshake reconciles), else the unsynced counter would reach 0 too early;
// a session never crosses an epoch or a change of its right to write: it ends, and the page opens a fresh one.
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import { signal, type ReadonlySignal } from "@preact/signals";
import { createDecoder, readVarString, readVarUint } from "lib0/decoding";
import { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import { Problem, type Ticket } from "../api.ts";
import { type EndReason, type Event, next, start, type State } from "./machine.ts";
import { type Notice, noticeOf } from "./notices.ts";

export interface Options {
  diagramId: string;
  doc: Y.Doc;
  /** ws(s)://host/collab */
  url: string;
  fetchTicket: () => Promise<Ticket>;
  /** Replaced in tests only. */
  socket?: unknown;
  now?: () => number;
  random?: () => number;
  /** How long an edit may stay unconfirmed before the page stops saying "saving". */
  overdueAfter?: number;
  handshakeWithin?: number;
}

/** The provider's socket, without its queue and without its own reconnecting. */
class Wire extends HocuspocusProviderWebsocket {
  override send(message: unknown): void {
    if (this.webSocket?.readyState === 1) this.webSocket.send(message as ArrayBuffer);
  }
}

const MAX_DENIALS = 3;

const WRITERS = new Set(["editor", "admin", "owner"]);
export const mayWrite = (role: string): boolean => WRITERS.has(role);

function isFirstState(data: unknown): boolean {
  if (!(data instanceof ArrayBuffer)) return false;
  const decoder = createDecoder(new Uint8Array(data));
  readVarString(decoder);
  return readVarUint(decoder) === 0 && readVarUint(decoder) === 1;
}

export class Connection {
  readonly awareness: Awareness;
  readonly #state = signal<State>(start);
  readonly #ticket = signal<Ticket | null>(null);
  readonly #options: Required<Omit<Options, "socket">>;
  readonly #wire: Wire;
  readonly #provider: HocuspocusProvider;
  readonly #listeners = new Set<(notice: Notice) => void>();
  #timers: { retry?: number; overdue?: number; handshake?: number } = {};
  #round = 0;
  #denials = 0;
  #destroyed = false;

  constructor(options: Options) {
    const { socket, ...rest } = options;
    this.#options = { now: Date.now, random: Math.random, overdueAfter: 8000, handshakeWithin: 20_000, ...rest };
    this.awareness = new Awareness(options.doc);
    this.#wire = new Wire({
      url: options.url,
      autoConnect: false,
      maxAttempts: 1,
      ...(socket === undefined ? {} : { WebSocketPolyfill: socket }),
    });
    this.#provider = new HocuspocusProvider({
      websocketProvider: this.#wire,
      name: options.diagramId,
      document: options.doc,
      awareness: this.awareness,
      token: () => this.#ticket.value?.ticket ?? "",
      onUnsyncedChanges: ({ number }) => this.#unsynced(number),
      onAuthenticationFailed: () => this.#denied(),
      onStateless: ({ payload }) => this.#stateless(payload),
      onMessage: ({ event }) => {
        if (isFirstState(event.data)) queueMicrotask(() => this.#synced());
      },
    });
    this.#wire.on("disconnect", ({ event }: { event?: { code?: number } }) => this.#lost(event?.code ?? 1006));
    this.#provider.attach();
    if (typeof window !== "undefined") window.addEventListener("online", this.retryNow);
    void this.#connect();
  }

  get state(): ReadonlySignal<State> {
    return this.#state;
  }

  /** The ticket in use: role and epoch of this session. */
  get ticket(): ReadonlySignal<Ticket | null> {
    return this.#ticket;
  }

  /** Server notices (a version was made, storage trouble, ...). Returns the way to stop listening. */
  onNotice(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Somebody pressed "try now", or the network came back. */
  readonly retryNow = (): void => {
    if (this.#state.value.phase.kind === "waiting") void this.#connect();
  };

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#clear("retry", "overdue", "handshake");
    if (typeof window !== "undefined") window.removeEventListener("online", this.retryNow);
    this.#provider.destroy();
    this.#wire.destroy();
  }

  #send(event: Event): void {
    this.#state.value = next(this.#state.value, event);
  }

  async #connect(): Promise<void> {
    this.#clear("retry");
    const round = ++this.#round;
    this.#send({ kind: "connect" });
    let ticket: Ticket;
    try {
      ticket = await this.#options.fetchTicket();
    } catch (error) {
      if (round === this.#round && !this.#destroyed) this.#noTicket(error);
      return;
    }
    if (round !== this.#round || this.#destroyed) return;
    const before = this.#ticket.value;
    if (before && before.epoch !== ticket.epoch) {
      this.#end("other-epoch", 4409);
      return;
    }
    if (before && mayWrite(before.role) !== mayWrite(ticket.role)) {
      this.#end("role-changed", 4403);
      return;
    }
    this.#ticket.value = ticket;
    this.#arm("handshake", this.#options.handshakeWithin, () =>
      this.#wire.onClose({ event: { code: 4408, reason: "no answer" } }),
    );
    void this.#wire.connect();
  }

  #noTicket(error: unknown): void {
    if (error instanceof Problem) {
      if (error.status === 401) return this.#end("signed-out", 4401);
      if (error.status === 403) return this.#end("no-right", 4403);
      if (error.status === 404 || error.status === 410) return this.#end("gone", 4404);
      if (error.code === "client_outdated") return this.#end("other-epoch", 4409);
    }
    this.#lost(1006, error instanceof Problem ? error.retryAfter : null);
  }

  #lost(code: number, retryAfter: number | null = null): void {
    // Set before the provider looks: it must never reconnect by itself, because it would use the spent ticket.
    this.#wire.shouldConnect = false;
    if (this.#destroyed) return;
    this.#clear("handshake");
    const { now, random } = this.#options;
    this.#send({ kind: "lost", code, now: now(), jitter: random(), retryAfter });
    const { phase } = this.#state.value;
    if (phase.kind === "waiting") this.#arm("retry", phase.retryAt - now(), () => void this.#connect());
  }

  #end(reason: EndReason, code: number): void {
    this.#clear("retry", "handshake");
    this.#send({ kind: "ended", reason, code });
    this.#wire.disconnect();
  }

  #denied(): void {
    this.#denials += 1;
    if (this.#denials >= MAX_DENIALS) return this.#end("no-right", 4403);
    this.#wire.onClose({ event: { code: 1006, reason: "ticket refused" } });
  }

  #synced(): void {
    if (this.#destroyed || this.#state.value.phase.kind !== "connecting") return;
    this.#clear("handshake");
    this.#denials = 0;
    this.#send({ kind: "synced" });
  }

  #unsynced(count: number): void {
    if (count === this.#state.value.unsynced) return;
    this.#send({ kind: "unsynced", count });
    this.#clear("overdue");
    if (count > 0) this.#arm("overdue", this.#options.overdueAfter, () => this.#send({ kind: "overdue" }));
  }

  #stateless(payload: string): void {
    const notice = noticeOf(payload);
    if (!notice) return;
    if (notice.event === "storage") this.#send({ kind: "storage", ok: notice.ok });
    const role = this.#ticket.value?.role ?? "";
    if (notice.event === "role" && mayWrite(notice.role) !== mayWrite(role)) this.#end("role-changed", 4403);
    for (const listener of this.#listeners) listener(notice);
  }

  #arm(name: "retry" | "overdue" | "handshake", after: number, then: () => void): void {
    this.#clear(name);
    this.#timers[name] = setTimeout(then, Math.max(0, after)) as unknown as number;
  }

  #clear(...names: ("retry" | "overdue" | "handshake")[]): void {
    for (const name of names) clearTimeout(this.#timers[name]);
  }
}
