// A button with a small menu: arrow keys, Escape, click outside; focus returns to the button.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

export interface Choice {
  label: string;
  icon?: ComponentChildren;
  danger?: boolean;
  disabled?: boolean;
  run: () => void;
}

interface Props {
  label: string;
  button: ComponentChildren;
  class?: string;
  choices: Choice[];
  header?: ComponentChildren;
  align?: "start" | "end";
}

export function Menu({ label, button, choices, header, align = "end", ...rest }: Props) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const whole = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const items = (): HTMLButtonElement[] => [
    ...(whole.current?.querySelectorAll<HTMLButtonElement>("[role=menuitem]:not(:disabled)") ?? []),
  ];
  const close = (back: boolean): void => {
    setOpen(false);
    if (back) opener.current?.focus();
  };

  useEffect(() => {
    if (!open) return;
    items()[0]?.focus();
    const outside = (event: Event): void => {
      if (event.target instanceof Node && !whole.current?.contains(event.target)) close(false);
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  }, [open]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (!open) return;
    const list = items();
    const at = list.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.length - 1 }[event.key];
    if (to !== undefined) list[(to + list.length) % list.length]?.focus();
    else if (event.key === "Escape") close(true);
    else if (event.key === "Tab") return close(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="menu-anchor" ref={whole} onKeyDown={onKeyDown}>
      <button
        type="button"
        ref={opener}
        class={rest.class ?? "button-icon"}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && (
        <div id={id} class={`menu menu-${align}`} role="menu" aria-label={label}>
          {header}
          {choices.map((choice) => (
            <button
              key={choice.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={choice.danger ? "menu-item menu-danger" : "menu-item"}
              disabled={choice.disabled ?? false}
              onClick={() => {
                close(true);
                choice.run();
              }}
            >
              {choice.icon}
              <span>{choice.label}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
