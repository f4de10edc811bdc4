import { describe, expect, test } from "vitest";
import { delay, endReason, type Event, light, next, start, type State } from "./machine.ts";

function after(...events: Event[]): State {
  return events.reduce(next, start);
}
const lost = (code: number, extra: Partial<Extract<Event, { kind: "lost" }>> = {}): Event => ({
  kind: "lost",
  code,
  now: 1000,
  jitter: 0.5,
  ...extra,
});
const synced: Event = { kind: "synced" };
const unsynced = (count: number): Event => ({ kind: "unsynced", count });

describe("light", () => {
  test("R1 says saved only when live and nothing is unconfirmed", () => {
    expect(light(start)).toBe("connecting");
    expect(light(after(unsynced(1), synced))).toBe("saving");
    expect(light(after(unsynced(1), synced, unsynced(0)))).toBe("saved");
    expect(light(after(synced, unsynced(2), unsynced(1)))).toBe("saving");
  });

  test("R8 storage trouble and long waits are shown as not saved, and pass", () => {
    const trouble = after(synced, unsynced(3), { kind: "storage", ok: false });
    expect(light(trouble)).toBe("not-saved");
    expect(light(next(trouble, unsynced(0)))).toBe("saved");
    const slow = after(synced, unsynced(1), { kind: "overdue" });
    expect(light(slow)).toBe("not-saved");
    expect(light(next(slow, unsynced(0)))).toBe("saved");
    expect(light(after(synced, unsynced(0), { kind: "overdue" }))).toBe("saved");
  });

  test("is offline while waiting, and not saved when ended with unconfirmed edits", () => {
    expect(light(after(synced, unsynced(0), lost(1006)))).toBe("offline");
    expect(light(after(synced, unsynced(2), lost(4404)))).toBe("not-saved");
    expect(light(after(synced, unsynced(0), lost(4404)))).toBe("offline");
  });
});

describe("close codes", () => {
  test.each([1000, 1001, 1005, 1006, 1011, 1012, 1013, 4408, 4500, 4501, 4503, 4599])("%i comes back", (code) => {
    expect(after(synced, lost(code)).phase.kind).toBe("waiting");
  });
  test.each([
    [4401, "signed-out"],
    [4403, "no-right"],
    [4404, "gone"],
    [4409, "other-epoch"],
    [4413, "too-large"],
    [1009, "too-large"],
    [4400, "refused"],
    [4499, "refused"],
  ] as const)("%i ends: %s", (code, reason) => {
    const state = after(synced, lost(code));
    expect(state.phase).toEqual({ kind: "ended", reason, code });
    expect(endReason(code)).toBe(reason);
    expect(next(state, synced)).toBe(state);
  });
});

describe("back-off", () => {
  test("doubles its ceiling, is jittered over all of it, and is bounded", () => {
    expect(delay(0, 1)).toBe(500);
    expect(delay(3, 1)).toBe(4000);
    expect(delay(3, 0.25)).toBe(1000);
    expect(delay(40, 1)).toBe(20_000);
    expect(delay(5, 0)).toBe(100);
  });
  test("honours Retry-After and starts again after a good connection", () => {
    expect(after(lost(1006, { retryAfter: 7 })).phase).toEqual({ kind: "waiting", attempt: 1, retryAt: 8000 });
    expect(after(lost(1006), lost(1006)).attempt).toBe(2);
    expect(after(lost(1006), lost(1006), synced).attempt).toBe(0);
  });
});
