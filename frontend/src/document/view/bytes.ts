// The order of keys and indices: that of their UTF-8 bytes, as in Python. JavaScript's own order is that of UTF-16 units.

/** Code units beyond the surrogates come before them in UTF-8. */
const lifted = (unit: number): number => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit);

export function compare(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return lifted(x) - lifted(y);
  }
  return a.length - b.length;
}

/** FNV-1a over UTF-8, 32 bits: short names that both languages make alike. Not for secrets. */
export function digest(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz";

/** A number in the fewest letters that an id may hold. */
export function base36(number: number): string {
  let made = "";
  for (let rest = number; rest > 0; rest = Math.floor(rest / 36)) made = DIGITS.charAt(rest % 36) + made;
  return made || "0";
}

/** Canonical JSON: keys in the order of their bytes, no spaces. Mirror of collab/bpmn/repair/canonical.py. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (Array.isArray(value)) return `[${value.map(textOf).join(",")}]`;
  if (typeof value === "object") {
    const names = Object.keys(value).sort(compare);
    return `{${names.map((name) => `${JSON.stringify(name)}:${textOf((value as Record<string, unknown>)[name])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

export const sorted = (keys: Iterable<string>): string[] => [...keys].sort(compare);
