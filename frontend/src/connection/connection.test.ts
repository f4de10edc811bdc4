import { afterEach, describe, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { Problem, type Ticket } from "../api.ts";
import { Connection } from "./connection.ts";
import { light } from "./machine.ts";
import { Server } from "./wire-server.ts";

const open: Connection[] = [];

afterEach(() => {
  for (const connection of open.splice(0)) connection.destroy();
});

function connect(server: Server, tickets?: (count: number) => Ticket, options: { overdueAfter?: number } = {}) {
  let count = 0;
  const doc = new Y.Doc();
  const connection = new Connection({
    diagramId: "d1",
    doc,
    url: "ws://test.invalid/collab",
    fetchTicket: () => {
      count += 1;
      const ticket = { ticket: `clk_${count}`, role: "editor", epoch: 1, expires_in: 30 };
      return new Promise((resolve) => resolve(tickets ? tickets(count) : ticket));
    },
    socket: server.socketClass,
    random: () => 0,
    ...options,
  });
  open.push(connection);
  return {
    connection,
    doc,
    light: () => light(connection.state.value),
    phase: () => connection.state.value.phase.kind,
  };
}

const edit = (doc: Y.Doc, key: string) => doc.getMap("n").set(key, "1");
const until = (check: () => void) => vi.waitFor(check, { timeout: 2000, interval: 5 });

describe("connection", () => {
  test("sends its ticket first, then meets the server's state", async () => {
    const server = new Server();
    server.doc.getMap("n").set("a", "1");
    const page = connect(server);
    await until(() => expect(page.light()).toBe("saved"));
    expect(server.tokens).toEqual(["clk_1"]);
    expect(server.received.slice(0, 3)).toEqual(["auth", "step1", "awareness"]);
    expect(page.doc.getMap("n").get("a")).toBe("1");
    expect(page.connection.state.value.loaded).toBe(true);
  });

  test("R1 says saved only when each edit is confirmed", async () => {
    const server = new Server();
    const page = connect(server);
    await until(() => expect(page.light()).toBe("saved"));
    server.confirming = false;
    edit(page.doc, "a");
    edit(page.doc, "b");
    expect(page.light()).toBe("saving");
    server.confirm(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(page.light()).toBe("saving");
    server.confirm();
    await until(() => expect(page.light()).toBe("saved"));
  });

  test("R1 edits made offline are not called saved before the handshake's answer is confirmed", async () => {
    const server = new Server();
    const page = connect(server);
    await until(() => expect(page.light()).toBe("saved"));
    server.accepting = false;
    server.last.closeWith(1012);
    expect(page.light()).toBe("offline");
    for (const key of ["a", "b", "c"]) edit(page.doc, key);
    const seen: string[] = [];
    page.connection.state.subscribe(() => seen.push(page.light()));
    server.confirming = false;
    server.accepting = true;
    await until(() => expect(page.phase()).toBe("live"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen).not.toContain("saved");
    server.confirm();
    await until(() => expect(page.light()).toBe("saved"));
    expect(Object.keys(server.doc.getMap("n").toJSON()).sort()).toEqual(["a", "b", "c"]);
  });

  test("fetches a fresh ticket for every connection", async () => {
    const server = new Server();
    const page = connect(server);
    await until(() => expect(page.phase()).toBe("live"));
    for (const code of [1006, 4500]) {
      server.last.closeWith(code);
      await until(() => expect(page.phase()).toBe("live"));
    }
    expect(server.tokens).toEqual(["clk_1", "clk_2", "clk_3"]);
  });

  test("comes back when the server was away", async () => {
    const server = new Server();
    server.accepting = false;
    const page = connect(server);
    await until(() => expect(page.connection.state.value.attempt).toBeGreaterThan(2));
    expect(page.light()).toBe("offline");
    server.accepting = true;
    await until(() => expect(page.light()).toBe("saved"));
  });

  test.each([
    [4401, "signed-out"],
    [4403, "no-right"],
    [4404, "gone"],
    [4409, "other-epoch"],
    [4413, "too-large"],
  ])("stays away after %i", async (code, reason) => {
    const server = new Server();
    const page = connect(server);
    await until(() => expect(page.phase()).toBe("live"));
    server.last.closeWith(code);
    expect(page.connection.state.value.phase).toEqual({ kind: "ended", reason, code });
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(server.sockets).toHaveLength(1);
  });

  test.each([
    [401, "unauthenticated", "signed-out"],
    [403, "forbidden", "no-right"],
    [404, "not_found", "gone"],
    [410, "diagram_deleted", "gone"],
  ])("a ticket refused with %i ends it", async (status, code, reason) => {
    const page = connect(new Server(), () => {
      throw new Problem(code, status, "");
    });
    await until(() => expect(page.connection.state.value.phase).toMatchObject({ kind: "ended", reason }));
  });

  test("waits as long as a busy server asks", async () => {
    const page = connect(new Server(), () => {
      throw new Problem("rate_limited", 429, "", [], 60);
    });
    await until(() => expect(page.phase()).toBe("waiting"));
    const { phase } = page.connection.state.value;
    if (phase.kind !== "waiting") throw new Error("not waiting");
    expect(phase.retryAt - Date.now()).toBeGreaterThan(50_000);
  });

  test("R13 never takes its document into another epoch", async () => {
    const server = new Server();
    const page = connect(server, (count) => ({ ticket: "t", role: "editor", epoch: count, expires_in: 30 }));
    await until(() => expect(page.phase()).toBe("live"));
    server.last.closeWith(1012);
    await until(() => expect(page.connection.state.value.phase).toMatchObject({ reason: "other-epoch" }));
    expect(server.sockets).toHaveLength(1);
  });

  test("R14 a right lost while away ends the session instead of sending its edits", async () => {
    const server = new Server();
    const roles = ["editor", "viewer"];
    const page = connect(server, (count) => ({
      ticket: "t",
      role: roles[count - 1] ?? "viewer",
      epoch: 1,
      expires_in: 30,
    }));
    await until(() => expect(page.phase()).toBe("live"));
    server.last.closeWith(1006);
    edit(page.doc, "a");
    await until(() => expect(page.connection.state.value.phase).toMatchObject({ reason: "role-changed" }));
    expect(page.light()).toBe("not-saved");
  });

  test("a ticket refused in band is replaced three times at most", async () => {
    const server = new Server();
    server.denying = true;
    const page = connect(server);
    await until(() => expect(page.connection.state.value.phase).toMatchObject({ reason: "no-right" }));
    expect(server.tokens).toEqual(["clk_1", "clk_2", "clk_3"]);
  });

  test("R8 storage trouble and unanswered edits are shown", async () => {
    const server = new Server();
    const page = connect(server, undefined, { overdueAfter: 30 });
    await until(() => expect(page.light()).toBe("saved"));
    server.confirming = false;
    edit(page.doc, "a");
    server.last.stateless("d1", { event: "storage", ok: false });
    await until(() => expect(page.light()).toBe("not-saved"));
    server.last.stateless("d1", { event: "storage", ok: true });
    await until(() => expect(page.connection.state.value.overdue).toBe(true));
    expect(page.light()).toBe("not-saved");
    server.confirm();
    await until(() => expect(page.light()).toBe("saved"));
  });

  test("passes known notices on and ignores the rest", async () => {
    const server = new Server();
    const page = connect(server);
    const heard: string[] = [];
    page.connection.onNotice((notice) => heard.push(notice.event));
    await until(() => expect(page.phase()).toBe("live"));
    for (const value of [{ event: "unheard of" }, 5, null, { event: "version", version: 3 }])
      server.last.stateless("d1", value);
    await until(() => expect(heard).toEqual(["version"]));
  });
});
