// The list of diagrams as the page holds it: one page after the other, refreshed by ETag, newest search wins.
// Changes made here show at once; the server's answer replaces them.
import { signal } from "@preact/signals";
import { api, type Diagram } from "../api.ts";
import { noticeSignedOut, organization } from "./session.ts";

export const diagrams = signal<Diagram[] | null>(null);
export const nextCursor = signal<string | null>(null);
export const search = signal("");
/** The search that the shown list answers. */
export const shownSearch = signal("");
export const listProblem = signal<unknown>(null);
export const busy = signal(false);

let etag: string | null = null;
let running: AbortController | null = null;
let pages = 0;

/** Loads the first page again; cheap when nothing changed. `fresh` forgets what is shown (another organization). */
export async function refresh(fresh = false): Promise<void> {
  running?.abort();
  const mine = (running = new AbortController());
  if (fresh) {
    diagrams.value = null;
    etag = null;
    pages = 0;
  }
  const q = search.value.trim();
  if (q !== shownSearch.value) etag = null;
  busy.value = true;
  try {
    const answer = await api.diagrams({ q, org: organization.value, etag, signal: mine.signal });
    if (mine.signal.aborted) return;
    listProblem.value = null;
    if (answer) {
      const longer = pages > 1 && q === shownSearch.value && diagrams.value;
      const ids = new Set(answer.page.items.map((item) => item.id));
      // Pages that were added by "show more" stay below the fresh first page.
      diagrams.value = longer
        ? [...answer.page.items, ...longer.slice(answer.page.items.length).filter((item) => !ids.has(item.id))]
        : answer.page.items;
      if (!longer) {
        nextCursor.value = answer.page.next_cursor;
        pages = 1;
      }
      etag = answer.etag;
    }
    shownSearch.value = q;
  } catch (error) {
    if (mine.signal.aborted) return;
    noticeSignedOut(error);
    listProblem.value = error;
  } finally {
    if (running === mine) busy.value = false;
  }
}

export async function more(): Promise<void> {
  const cursor = nextCursor.value;
  if (!cursor || busy.value) return;
  busy.value = true;
  try {
    const answer = await api.diagrams({ q: shownSearch.value, org: organization.value, cursor });
    const known = new Set(diagrams.value?.map((item) => item.id));
    diagrams.value = [...(diagrams.value ?? []), ...(answer?.page.items.filter((item) => !known.has(item.id)) ?? [])];
    nextCursor.value = answer?.page.next_cursor ?? null;
    pages += 1;
  } catch (error) {
    listProblem.value = error;
  } finally {
    busy.value = false;
  }
}

/** Puts one diagram where it belongs after we changed it: new and imported ones come first. */
export function put(diagram: Diagram): void {
  etag = null;
  const others = diagrams.value?.filter((item) => item.id !== diagram.id) ?? [];
  diagrams.value = [diagram, ...others];
}

export function replace(diagram: Diagram): void {
  etag = null;
  diagrams.value = diagrams.value?.map((item) => (item.id === diagram.id ? diagram : item)) ?? null;
}

export function take(id: string): void {
  etag = null;
  diagrams.value = diagrams.value?.filter((item) => item.id !== id) ?? null;
}
