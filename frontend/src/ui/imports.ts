// Files being imported: one after the other, each with its own outcome, so that a bad file never stops a good one.
import { signal } from "@preact/signals";
import { api, Problem } from "../api.ts";
import { plain } from "./problems.ts";
import { organization } from "./session.ts";
import { put } from "./shelf.ts";
import { words } from "./words.ts";

export type Outcome =
  | { kind: "waiting" }
  | { kind: "sending" }
  | { kind: "done"; diagram: string }
  | { kind: "refused"; why: string; again: boolean };

export interface Import {
  key: number;
  file: File;
  outcome: Outcome;
}

const LIMIT = 5 * 1024 * 1024;
/** A busy server says when to come back; an import waits for it this often. */
const PATIENCE = 5;

export const imports = signal<Import[]>([]);
let last = 0;
let working = false;

/** "order-process.bpmn" is titled "order-process". */
export const titleOf = (name: string): string =>
  name.replace(/\.(bpmn2?|xml|bpmn20\.xml)$/i, "").replace(/\.bpmn$/i, "") || words.list.untitled;

function set(key: number, outcome: Outcome): void {
  imports.value = imports.value.map((item) => (item.key === key ? { ...item, outcome } : item));
}

export function importFiles(files: Iterable<File>): void {
  const added = [...files].map((file): Import => ({ key: ++last, file, outcome: { kind: "waiting" } }));
  const finished = imports.value.every((item) => item.outcome.kind === "done");
  imports.value = finished ? added : [...imports.value, ...added];
  void work();
}

export function again(key: number): void {
  set(key, { kind: "waiting" });
  void work();
}

export const forget = (): void => {
  imports.value = imports.value.filter((item) => item.outcome.kind === "waiting" || item.outcome.kind === "sending");
};

async function send(file: File): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      // The bytes as they are: the server reads the file's own encoding declaration.
      const diagram = await api.importDiagram(titleOf(file.name), file, organization.value);
      put(diagram);
      return diagram.id;
    } catch (error) {
      const busy = error instanceof Problem && error.code === "rate_limited" && attempt < PATIENCE;
      if (!busy) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(30, error.retryAfter ?? 5)));
    }
  }
}

async function work(): Promise<void> {
  if (working) return;
  working = true;
  for (;;) {
    const item = imports.value.find(({ outcome }) => outcome.kind === "waiting");
    if (!item) break;
    const refuse = (why: string, tryAgain = false): void => set(item.key, { kind: "refused", why, again: tryAgain });
    if (item.file.size > LIMIT) refuse(words.imports.tooLarge);
    else if (item.file.size === 0) refuse(words.imports.empty);
    else {
      set(item.key, { kind: "sending" });
      try {
        set(item.key, { kind: "done", diagram: await send(item.file) });
      } catch (error) {
        refuse(plain(error), !(error instanceof Problem) || error.status === 0 || error.status >= 429);
      }
    }
  }
  working = false;
}
