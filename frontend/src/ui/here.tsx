// Who is here: one disc a person (not a window), oneself last; the rest behind "+n".
import { useEffect, useState } from "preact/hooks";
import type { Awareness } from "y-protocols/awareness";
import { Avatar, colorOf, type Face } from "./avatar.tsx";
import { me } from "./session.ts";
import { words } from "./words.ts";

const MOST = 4;

function faceOf(state: unknown): Face | null {
  const user = (state as { user?: unknown } | null)?.user;
  if (typeof user !== "object" || user === null) return null;
  const { id, name, color } = user as Record<string, unknown>;
  if (typeof id !== "string" || typeof name !== "string") return null;
  return { id, name, color: typeof color === "string" ? color : colorOf(id) };
}

/** Everybody with a presence on the diagram except oneself, oldest client first. */
export function others(awareness: Awareness, self: string | undefined): Face[] {
  const faces = new Map<string, Face>();
  for (const [client, state] of awareness.getStates()) {
    const face = client === awareness.clientID ? null : faceOf(state);
    if (face && face.id !== self) faces.set(face.id, face);
  }
  return [...faces.values()];
}

const same = (a: Face[], b: Face[]): boolean => JSON.stringify(a) === JSON.stringify(b);

export function Here({ awareness }: { awareness: Awareness }) {
  const user = me.value;
  const [faces, setFaces] = useState<Face[]>([]);
  useEffect(() => {
    const look = (): void => {
      const now = others(awareness, user?.id);
      // Cursors move many times a second; people come and go rarely.
      setFaces((before) => (same(before, now) ? before : now));
    };
    look();
    awareness.on("change", look);
    return () => awareness.off("change", look);
  }, [awareness, user?.id]);
  if (!user) return null;
  const shown = faces.slice(0, faces.length > MOST ? MOST - 1 : MOST);
  const hidden = faces.slice(shown.length);
  return (
    <div class="here" role="group" aria-label={words.editor.people(faces.length + 1)}>
      {shown.map((face) => (
        <Avatar key={face.id} face={face} small />
      ))}
      {hidden.length > 0 && (
        <span class="avatar avatar-small avatar-rest" title={hidden.map(({ name }) => name).join(", ")}>
          {words.editor.more(hidden.length)}
        </span>
      )}
      <Avatar
        face={{ id: user.id, name: user.name, color: user.color ?? colorOf(user.id) }}
        title={words.editor.you(user.name)}
        small
      />
    </div>
  );
}
