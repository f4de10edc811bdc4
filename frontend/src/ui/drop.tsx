// Dropping files anywhere on the list imports them; while files hover, the page says so.
import { useEffect, useState } from "preact/hooks";
import { Upload } from "./icons.tsx";
import { importFiles } from "./imports.ts";
import { words } from "./words.ts";

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

export function DropTarget() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    // Enter and leave fire for every element passed: count them.
    let depth = 0;
    const listen: Record<string, (event: DragEvent) => void> = {
      dragenter: (event) => {
        if (!hasFiles(event)) return;
        depth += 1;
        setOver(true);
      },
      dragleave: (event) => {
        if (!hasFiles(event)) return;
        depth -= 1;
        if (depth <= 0) setOver(false);
      },
      dragover: (event) => {
        if (hasFiles(event)) event.preventDefault();
      },
      drop: (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        depth = 0;
        setOver(false);
        importFiles(event.dataTransfer?.files ?? []);
      },
    };
    const all = Object.entries(listen);
    for (const [name, handler] of all) addEventListener(name, handler as EventListener);
    return () => {
      for (const [name, handler] of all) removeEventListener(name, handler as EventListener);
    };
  }, []);
  return over ? (
    <div class="drop">
      <div class="drop-box">
        <Upload size={32} />
        <strong>{words.list.drop}</strong>
      </div>
    </div>
  ) : null;
}
