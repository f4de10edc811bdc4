// The next major of the y-websocket client (@y/websocket 4 on @y/y 14), driven like client.mjs. It takes an edit for
// confirmed when the server sends it back; `heard` is what it has been sent. Called by tests/interop/clients.py.
import { createInterface } from "node:readline";
import { WebsocketProvider } from "@y/websocket";
import * as Y from "@y/y";
import * as decoding from "lib0/decoding";
import WebSocket from "ws";

const MESSAGE_SYNC = 0;
const SYNC_STEP_1 = 0;

const doc = new Y.Doc();
const heard = new Y.Doc();
let provider;

const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

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

const record = (key) => doc.get("n").getAttr(key);

const commands = {
  connect({ url, name, token }) {
    provider = new WebsocketProvider(url, name, doc, {
      WebSocketPolyfill: ListeningWebSocket,
      params: token ? { ticket: token } : {},
      disableBc: true,
    });
    provider.on("sync", (synced) => synced && say("synced"));
    provider.on("connection-close", (event) => event && say("closed", { code: event.code }));
    say("connecting");
  },
  set({ key, register, value }) {
    record(key).setAttr(register, value);
    say("done");
  },
  get({ key, register }) {
    say("value", { value: record(key)?.getAttr(register) ?? null });
  },
  async burst({ prefix, count, rate }) {
    const map = doc.get("burst");
    for (let i = 0; i < count; i += 1) {
      map.setAttr(`${prefix}${i}`, i);
      await new Promise((resolve) => setTimeout(resolve, 1000 / rate));
    }
    say("done");
  },
  acknowledged({ prefix }) {
    const keys = [...heard.get("burst").attrKeys()];
    say("acknowledged", { keys: keys.filter((key) => key.startsWith(prefix)) });
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
