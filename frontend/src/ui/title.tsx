// The diagram's title in the header, changed in place: Enter or leaving the field saves, Escape takes it back.
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "./words.ts";

interface Props {
  title: string;
  readonly: boolean;
  rename: (title: string) => void;
}

export function Title({ title, readonly, rename }: Props) {
  const [text, setText] = useState(title);
  const dropped = useRef(false);
  useEffect(() => setText(title), [title]);
  if (readonly)
    return (
      <h1 class="title title-fixed" title={title}>
        {title}
      </h1>
    );
  return (
    <h1 class="title">
      <input
        aria-label={words.editor.title}
        value={text}
        maxLength={200}
        size={Math.max(8, Math.min(48, text.length + 1))}
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
        onFocus={(event) => event.currentTarget.select()}
        onBlur={() => {
          const now = text.trim();
          if (dropped.current || !now) setText(title);
          else if (now !== title) rename(now);
          dropped.current = false;
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") dropped.current = true;
          if (event.key === "Escape" || event.key === "Enter") event.currentTarget.blur();
        }}
      />
    </h1>
  );
}
