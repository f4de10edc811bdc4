// The place where the editor stands: shows a skeleton until the document is whole, then hands its element to the binding.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Editor, openEditor } from "../binding/index.ts";
import { colorOf } from "./avatar.tsx";
import { canWrite, type Opening } from "./editing.ts";
import { CanvasSkeleton } from "./editor-skeleton.tsx";
import { me } from "./session.ts";
import { tell, tellProblem } from "./toast.tsx";

interface Props {
  opening: Opening;
  element: string | null;
  ready: (editor: Editor | null) => void;
  children?: ComponentChildren;
}

export function Canvas({ opening, element, ready, children }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState(false);
  const { loaded } = opening.connection.state.value;

  useEffect(() => {
    const container = place.current;
    const user = me.value;
    if (!loaded || !container || !user) return;
    let gone = false;
    let editor: Editor | null = null;
    const face = { id: user.id, name: user.name, color: user.color ?? colorOf(user.id) };
    const { doc, connection } = opening;
    const readonly = !canWrite(opening);
    openEditor({
      container,
      doc,
      awareness: connection.awareness,
      readonly,
      user: face,
      ...(element && { element }),
    }).then((opened) => {
      if (gone) return opened.destroy();
      editor = opened;
      opened.onMessage((message) => tell(message));
      setShown(true);
      ready(opened);
    }, tellProblem);
    return () => {
      gone = true;
      ready(null);
      setShown(false);
      editor?.destroy();
    };
  }, [opening, loaded]);

  return (
    <div class="canvas-frame">
      <div class={`canvas${shown ? " canvas-shown" : ""}`} ref={place} />
      {!shown && <CanvasSkeleton />}
      {children}
    </div>
  );
}
