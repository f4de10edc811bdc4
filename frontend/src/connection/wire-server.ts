// Test only: a small server behind a WebSocket look-alike, speaking the Hocuspocus protocol from the written rules
// (one SyncStatus per Update and per answered step 1). Tests hold back its confirmations to look at the moments between.
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import * as sync from "y-protocols/sync";
import * as Y from "yjs";

type Handler = (event: unknown) => void;

export class Server {
  readonly doc = new Y.Doc();
  readonly tokens: string[] = [];
  readonly received: string[] = [];
  sockets: FakeSocket[] = [];
  confirming = true;
  accepting = true;
  denying = false;
  #owed: (() => void)[] = [];

  get socketClass(): unknown {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const server = this;
    return class extends FakeSocket {
      constructor() {
        super(server);
      }
    };
  }

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("nobody connected");
    return socket;
  }

  confirm(count = Number.POSITIVE_INFINITY): void {
    for (const confirm of this.#owed.splice(0, count)) confirm();
  }

  receive(socket: FakeSocket, data: Uint8Array): void {
    const decoder = decoding.createDecoder(data);
    const name = decoding.readVarString(decoder);
    const type = decoding.readVarUint(decoder);
    if (type === 2) {
      decoding.readVarUint(decoder);
      this.tokens.push(decoding.readVarString(decoder));
      this.received.push("auth");
      socket.reply(name, 2, (encoder) => {
        encoding.writeVarUint(encoder, this.denying ? 1 : 2);
        encoding.writeVarString(encoder, this.denying ? "permission-denied" : "read-write");
      });
      if (!this.denying) socket.reply(name, 0, (encoder) => sync.writeSyncStep1(encoder, this.doc));
    } else if (type === 0) {
      const reply = encoding.createEncoder();
      const kind = sync.readSyncMessage(decoder, reply, this.doc, socket);
      this.received.push(["step1", "step2", "update"][kind] ?? "?");
      if (kind === 0)
        socket.reply(name, 0, (encoder) => encoding.writeUint8Array(encoder, encoding.toUint8Array(reply)));
      else this.#owe(() => socket.reply(name, 8, (encoder) => encoding.writeVarInt(encoder, 1)));
    } else {
      this.received.push({ 1: "awareness", 7: "close" }[type] ?? `type ${type}`);
    }
  }

  #owe(confirm: () => void): void {
    if (this.confirming) confirm();
    else this.#owed.push(confirm);
  }
}

class FakeSocket {
  binaryType = "";
  readyState = 0;
  #handlers = new Map<string, Set<Handler>>();

  constructor(readonly server: Server) {
    server.sockets.push(this);
    setTimeout(() => {
      if (this.readyState !== 0) return;
      if (!server.accepting) return this.closeWith(1006);
      this.readyState = 1;
      this.#fire("open", {});
    }, 1);
  }

  addEventListener(name: string, handler: Handler): void {
    this.#handlers.set(name, (this.#handlers.get(name) ?? new Set()).add(handler));
  }

  removeEventListener(name: string, handler: Handler): void {
    this.#handlers.get(name)?.delete(handler);
  }

  send(data: Uint8Array): void {
    this.server.receive(this, data);
  }

  close(): void {
    this.closeWith(1005);
  }

  closeWith(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    if (code === 1006) this.#fire("error", {});
    this.#fire("close", { code, reason: "" });
  }

  stateless(name: string, value: unknown): void {
    this.reply(name, 5, (encoder) => encoding.writeVarString(encoder, JSON.stringify(value)));
  }

  reply(name: string, type: number, body: (encoder: encoding.Encoder) => void): void {
    const encoder = encoding.createEncoder();
    encoding.writeVarString(encoder, name);
    encoding.writeVarUint(encoder, type);
    body(encoder);
    const data = encoding.toUint8Array(encoder).slice().buffer;
    setTimeout(() => {
      if (this.readyState === 1) this.#fire("message", { data });
    }, 0);
  }

  #fire(name: string, event: unknown): void {
    for (const handler of this.#handlers.get(name) ?? []) handler(event);
  }
}
