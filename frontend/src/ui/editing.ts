// One opening of one diagram: document, connection, and how it ends well.
// A page may open several in a row (rights changed, stored form renewed): each has a fresh document, never a carried-over one.
import * as Y from "yjs";
import { api, Problem } from "../api.ts";
import { Connection, mayWrite } from "../connection/connection.ts";
import { light } from "../connection/machine.ts";

const LINGER_MS = 10_000;
const CARRY_TRIES = 30;
const CARRY_PAUSE_MS = 2000;

export interface Opening {
  doc: Y.Doc;
  connection: Connection;
}

export function openDiagram(id: string): Opening {
  const doc = new Y.Doc();
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/collab`;
  return { doc, connection: new Connection({ diagramId: id, doc, url, fetchTicket: () => api.ticket(id) }) };
}

export const canWrite = ({ connection }: Opening): boolean => mayWrite(connection.ticket.value?.role ?? "viewer");

/** Edits that would be lost if the window closed now. */
export const hasUnsaved = (opening: Opening): boolean => {
  const { loaded, unsynced } = opening.connection.state.value;
  return loaded && unsynced > 0 && canWrite(opening);
};

/** The document began a new epoch: what only this replica has goes onto it. Null when there was nothing; rejects with a Problem. */
export async function carryOver(id: string, { doc, connection }: Opening): Promise<{ left: number } | null> {
  const epoch = connection.ticket.value?.epoch;
  if (epoch === undefined) return null;
  const update = Y.encodeStateAsUpdate(doc);
  for (let tries = 1; ; tries += 1) {
    try {
      const { applied, left } = await api.replay(id, epoch, update);
      return applied + left === 0 ? null : { left };
    } catch (error) {
      const passing = error instanceof Problem && (error.status === 0 || error.status >= 500);
      if (!passing || tries === CARRY_TRIES) throw error;
      await new Promise((resume) => setTimeout(resume, CARRY_PAUSE_MS));
    }
  }
}

/** Resolves true once everything is stored, false when it takes longer than that. */
export function saved({ connection }: Opening, within: number): Promise<boolean> {
  if (light(connection.state.value) === "saved") return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (result: boolean): void => {
      clearTimeout(timer);
      stop();
      resolve(result);
    };
    const timer = setTimeout(() => done(false), within);
    const stop = connection.state.subscribe((state) => {
      if (light(state) === "saved") queueMicrotask(() => done(true));
    });
  });
}

/** Leaves the others' screens at once, but stays connected until the last edits are stored. */
export async function closeDiagram(opening: Opening): Promise<void> {
  opening.connection.awareness.setLocalState(null);
  if (hasUnsaved(opening)) await saved(opening, LINGER_MS);
  opening.connection.destroy();
  opening.doc.destroy();
}
