// A person as a coloured disc with initials. The colour is the server's, the ink is picked for contrast.

export interface Face {
  id: string;
  name: string;
  color: string;
}

export function initials(name: string): string {
  const parts = name.trim().split(/\s+/).filter(Boolean);
  const letters = parts.length > 1 ? [parts[0], parts.at(-1)] : [parts[0]];
  return letters.map((part) => Array.from(part ?? "?")[0]?.toUpperCase() ?? "?").join("");
}

/** Dark or light ink on a #rrggbb background (WCAG relative luminance). */
export function inkOn(color: string): "dark" | "light" {
  const hex = /^#([0-9a-f]{6})$/i.exec(color)?.[1];
  if (!hex) return "light";
  const [r = 0, g = 0, b = 0] = [0, 2, 4].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.22 ? "dark" : "light";
}

const palette = ["#c2410c", "#0f766e", "#6d28d9", "#be185d", "#1d4ed8", "#4d7c0f", "#a16207", "#0e7490"];

/** For people whose colour we were not told: the one the server gives to this id (the id's last digit says it, of eight). */
export function colorOf(id: string): string {
  return palette[Number.parseInt(id.slice(-1), 16) % palette.length] ?? "#1d4ed8";
}

export function Avatar({ face, title, small }: { face: Face; title?: string; small?: boolean }) {
  const color = /^#[0-9a-f]{6}$/i.test(face.color) ? face.color : colorOf(face.id);
  return (
    <span
      class={`avatar avatar-${inkOn(color)}${small ? " avatar-small" : ""}`}
      style={{ backgroundColor: color }}
      title={title ?? face.name}
      role="img"
      aria-label={title ?? face.name}
    >
      {initials(face.name)}
    </span>
  );
}
