// What the connection may be in, and how it moves: pure, so that every path is a test.
// Invariant: "saved" is only ever said when a live session has no edit the server has not committed.
// Called by connection.ts (which owns socket, timers and tickets); read by the light in the header.

/** Close codes that end a session for good (see collab/SPEC.md); everything else comes back with back-off. */
export type EndReason = "signed-out" | "no-right" | "gone" | "other-epoch" | "too-large" | "refused" | "role-changed";

export type Phase =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "waiting"; attempt: number; retryAt: number }
  | { kind: "ended"; reason: EndReason; code: number };

export interface State {
  phase: Phase;
  /** The document was complete at least once: there is something to show. */
  loaded: boolean;
  /** Edits (frames) the server has not yet confirmed as committed. */
  unsynced: number;
  /** The server said that it cannot store right now. */
  storageTrouble: boolean;
  /** An unconfirmed edit has been waiting for longer than people should be told "saving". */
  overdue: boolean;
  attempt: number;
}

export type Event =
  | { kind: "connect" }
  | { kind: "synced" }
  | { kind: "unsynced"; count: number }
  | { kind: "overdue" }
  | { kind: "storage"; ok: boolean }
  | { kind: "lost"; code: number; now: number; jitter: number; retryAfter?: number | null }
  | { kind: "ended"; reason: EndReason; code: number };

export type Light = "connecting" | "saved" | "saving" | "offline" | "not-saved";

export const start: State = {
  phase: { kind: "connecting" },
  loaded: false,
  unsynced: 0,
  storageTrouble: false,
  overdue: false,
  attempt: 0,
};

const FIRST_DELAY = 500;
const LONGEST_DELAY = 20_000;

/** Full jitter: anything between (almost) nothing and the doubled ceiling, so that a thousand pages do not return at once. */
export function delay(attempt: number, jitter: number): number {
  const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 16));
  return Math.max(100, Math.round(ceiling * jitter));
}

/** The answer to a close code; null means "come back". */
export function endReason(code: number): EndReason | null {
  switch (code) {
    case 4401:
      return "signed-out";
    case 4403:
      return "no-right";
    case 4404:
      return "gone";
    case 4409:
      return "other-epoch";
    case 1009:
    case 4413:
      return "too-large";
    case 4408: // the provider's own "nothing heard for too long"
      return null;
    default:
      return code >= 4400 && code < 4500 ? "refused" : null;
  }
}

export function next(state: State, event: Event): State {
  if (state.phase.kind === "ended") return state;
  switch (event.kind) {
    case "connect":
      return { ...state, phase: { kind: "connecting" } };
    case "synced":
      return { ...state, phase: { kind: "live" }, loaded: true, attempt: 0, storageTrouble: false };
    case "unsynced":
      return { ...state, unsynced: event.count, overdue: state.overdue && event.count > 0 };
    case "overdue":
      return { ...state, overdue: state.unsynced > 0 };
    case "storage":
      return { ...state, storageTrouble: !event.ok };
    case "ended":
      return { ...state, phase: { kind: "ended", reason: event.reason, code: event.code } };
    case "lost": {
      const reason = endReason(event.code);
      if (reason) return { ...state, phase: { kind: "ended", reason, code: event.code } };
      const wait = Math.max(delay(state.attempt, event.jitter), (event.retryAfter ?? 0) * 1000);
      const attempt = state.attempt + 1;
      return { ...state, attempt, phase: { kind: "waiting", attempt, retryAt: event.now + wait } };
    }
  }
}

export function light(state: State): Light {
  const { phase, unsynced } = state;
  if (phase.kind === "ended") return unsynced > 0 ? "not-saved" : "offline";
  if (!state.loaded) return phase.kind === "waiting" ? "offline" : "connecting";
  if (phase.kind !== "live") return "offline";
  if (unsynced === 0) return "saved";
  return state.storageTrouble || state.overdue ? "not-saved" : "saving";
}
