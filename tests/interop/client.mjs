// One stock Yjs client as a process: commands come as JSON lines on stdin, answers and events leave as JSON lines
// on stdout. Nothing here knows Colane: the providers are used as their documentation says, so what works here works
// for anybody. Called by tests/interop/clients.py.
import { createInterface } from "node:readline";
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import * as decoding from "lib0/decoding";
import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

const MESSAGE_SYNC = 0;
const SYNC_STEP_1 = 0;

const doc = new Y.Doc();
/** What the server has sent back to this client: on the y-websocket protocol, one's own structs in it are acknowledged. */
const heard = new Y.Doc();
let provider;
let kind;
let sent = 0;

const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

/** Applies each sync update that arrives to `heard`, beside what the provider does with it. */
class ListeningWebSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("message", (data) => {
      const decoder = decoding.createDecoder(new Uint8Array(data));
      if (decoding.readVarUint(decoder) !== MESSAGE_SYNC) return;
      if (decoding.readVarUint(decoder) === SYNC_STEP_1) return;
      Y.applyUpdate(heard, decoding.readVarUint8Array(decoder));
    });
  }
}

const record = (key) => doc.getMap("n").get(key);

const commands = {
  connect({ protocol, url, name, token }) {
    kind = protocol;
    if (protocol === "yws") {
      provider = new WebsocketProvider(url, name, doc, {
        WebSocketPolyfill: ListeningWebSocket,
        params: token ? { ticket: token } : {},
        disableBc: true,
      });
      provider.on("status", ({ status }) => say("status", { status }));
      provider.on("sync", (synced) => synced && say("synced"));
      provider.on("connection-close", (event) => event && say("closed", { code: event.code }));
    } else {
      const socket = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket });
      provider = new HocuspocusProvider({ websocketProvider: socket, name, document: doc, token });
      provider.on("status", ({ status }) => say("status", { status }));
      provider.on("synced", () => say("synced"));
      provider.on("authenticationFailed", ({ reason }) => say("refused", { reason }));
      provider.on("authenticated", ({ scope }) => say("authenticated", { scope }));
      provider.on("close", ({ event }) => say("closed", { code: event.code }));
      provider.on("stateless", ({ payload }) => say("stateless", { payload: JSON.parse(payload) }));
      provider.on("unsyncedChanges", ({ number }) => say("unsynced", { number }));
      provider.attach();
    }
    say("connecting");
  },
  set({ key, register, value }) {
    record(key).set(register, value);
    say("done");
  },
  get({ key, register }) {
    say("value", { value: record(key)?.get(register) ?? null });
  },
  /** Writes `count` values into the root map `burst`, one update each, `rate` a second. */
  async burst({ prefix, count, rate }) {
    const map = doc.getMap("burst");
    for (let i = 0; i < count; i += 1) {
      map.set(`${prefix}${i}`, i);
      sent += 1;
      await new Promise((resolve) => setTimeout(resolve, 1000 / rate));
    }
    say("done");
  },
  /** How many of the burst's updates this client may believe are on disk, oldest first. */
  acknowledged({ prefix }) {
    if (kind === "yws") {
      const map = heard.getMap("burst");
      say("acknowledged", { keys: [...map.keys()].filter((key) => key.startsWith(prefix)) });
    } else {
      const count = Math.max(0, sent - provider.unsyncedChanges);
      say("acknowledged", { keys: Array.from({ length: count }, (_, i) => `${prefix}${i}`) });
    }
  },
  state() {
    const n = doc.getMap("n").toJSON();
    say("state", { n, burst: doc.getMap("burst").toJSON(), pending: doc.store.pendingStructs !== null });
  },
  aware({ field, value }) {
    provider.awareness.setLocalStateField(field, value);
    say("done");
  },
  awareness() {
    say("awareness", {
      states: [...provider.awareness.getStates()].map(([client, state]) => ({ client, state })),
      me: doc.clientID,
    });
  },
  /** A burst that a rejecting server would break: nested types, deletes and text in one transaction. */
  text({ name, insert }) {
    doc.getText(name).insert(0, insert);
    say("done");
  },
  readText({ name }) {
    say("value", { value: doc.getText(name).toString() });
  },
  unsynced() {
    say("value", { value: kind === "yws" ? null : provider.unsyncedChanges });
  },
  close() {
    provider?.destroy();
    say("bye");
    setTimeout(() => process.exit(0), 20);
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { do: name, ...args } = JSON.parse(line);
    Promise.resolve()
      .then(() => commands[name](args))
      .catch((error) => say("error", { message: String(error), stack: error.stack }));
  })
  .on("close", () => process.exit(0));

say("ready");
