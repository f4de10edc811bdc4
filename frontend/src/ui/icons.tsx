// Our own icons: 20 units, one stroke, the colour of the text around them. Always decorative; names are on the buttons.
import type { ComponentChildren } from "preact";

function Icon({ children, size = 20 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width={size} height={size} aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const drawn = (d: string) =>
  function Drawn({ size }: { size?: number }) {
    return <Icon {...(size ? { size } : {})}>{<path d={d} />}</Icon>;
  };

export const Plus = drawn("M10 4v12M4 10h12");
export const Back = drawn("M12.5 4.5 7 10l5.5 5.5");
export const Cross = drawn("m5 5 10 10M15 5 5 15");
export const Check = drawn("m4.5 10.5 3.5 3.5 7.5-8");
export const Search = drawn("M9 4a5 5 0 1 1 0 10A5 5 0 0 1 9 4Zm3.7 8.7L16.5 16.5");
export const Upload = drawn(
  "M10 13V4m0 0L6.5 7.5M10 4l3.5 3.5M4 13v2.5A1.5 1.5 0 0 0 5.5 17h9a1.5 1.5 0 0 0 1.5-1.5V13",
);
export const Download = drawn(
  "M10 4v9m0 0 3.5-3.5M10 13 6.5 9.5M4 13v2.5A1.5 1.5 0 0 0 5.5 17h9a1.5 1.5 0 0 0 1.5-1.5V13",
);
export const Trash = drawn("M4 6h12M8 6V4.2h4V6M5.5 6l.7 10h7.6l.7-10M8.5 9v4M11.5 9v4");
export const History = drawn("M4.2 8.2A6.2 6.2 0 1 1 4 11.5M4 4.5v4h4M10 6.8V10l2.3 1.8");
export const Pencil = drawn("M4 16l.8-3.3 8.2-8.2a1.5 1.5 0 0 1 2.1 0l.4.4a1.5 1.5 0 0 1 0 2.1L7.3 15.2Z");
export const Pin = drawn("M7.5 4h5l-.6 4.5 2.6 2.5v1h-9v-1l2.6-2.5ZM10 12v4.5");
export const Undo = drawn("M7.5 5 4 8.5 7.5 12M4 8.5h7.5a4 4 0 0 1 0 8H9");
export const Redo = drawn("M12.5 5 16 8.5 12.5 12M16 8.5H8.5a4 4 0 0 0 0 8H11");
export const Fit = drawn("M4 7.5V4h3.5M12.5 4H16v3.5M16 12.5V16h-3.5M7.5 16H4v-3.5");
export const Eye = drawn(
  "M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5ZM10 7.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4Z",
);
export const Warning = drawn("M10 3.5 17.5 16.5h-15ZM10 8.5v3.5M10 14.2v.1");
export const CloudOff = drawn(
  "M6 15.5a3.5 3.5 0 0 1-.6-6.9M7.6 5.6A5 5 0 0 1 14.8 9a3.3 3.3 0 0 1 1.7 5.8M13 15.5H6M3.5 3.5l13 13",
);
export const SignOut = drawn("M8 4H5.5A1.5 1.5 0 0 0 4 5.5v9A1.5 1.5 0 0 0 5.5 16H8M8.5 10H16m0 0-3-3m3 3-3 3");

export function Dots() {
  return (
    <Icon>
      <g class="icon-solid">
        <circle cx="4.5" cy="10" r="1.5" />
        <circle cx="10" cy="10" r="1.5" />
        <circle cx="15.5" cy="10" r="1.5" />
      </g>
    </Icon>
  );
}

/** The mark: one flow that parts in two. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg class="mark" viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="9" />
      <g>
        <circle cx="9" cy="16" r="3.4" />
        <path d="M12.4 16H16m0 0V9.5h3M16 16v6.5h3" />
        <rect x="19" y="6" width="7" height="7" rx="2" />
        <rect x="19" y="19" width="7" height="7" rx="2" />
      </g>
    </svg>
  );
}
