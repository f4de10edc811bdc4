// STUB by SHELL so that the build works until BINDING's real file lands here. BINDING: overwrite it.
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";

export interface EditorOptions {
  container: HTMLElement;
  doc: Y.Doc;
  awareness: Awareness;
  readonly: boolean;
  user: { id: string; name: string; color: string };
  element?: string;
}

export interface Editor {
  destroy(): void;
  select(id: string): void;
  undo(): void;
  redo(): void;
  zoomToFit(): void;
  exportSvg(): Promise<string>;
  exportXml(): Promise<string>;
  onMessage(listener: (text: string) => void): () => void;
}

export function openEditor(_options: EditorOptions): Promise<Editor> {
  return Promise.reject(new Error("The editor is not there yet."));
}
