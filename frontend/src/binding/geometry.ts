// Bounds and waypoints as registers: [tag, slot, number, ...], every number a string spelled as it was as long as it means the same.
import type { Json } from "../document/view.ts";

export function geometry(old: Json | undefined, numbers: readonly number[], tag: () => string): Json {
  const spelled = Array.isArray(old) ? old.map(String) : [];
  const head = spelled.length >= 2 ? spelled.slice(0, 2) : [tag(), "a0"];
  const bounds = numbers.length === 4 && spelled.length === 6 && !head[0]?.endsWith("waypoint");
  return [...head, ...numbers.map((number, i) => spell(spelled[i + 2], number, bounds))];
}

/** The editor draws on whole pixels: a value that only got rounded on the way is not an edit. */
function spell(old: string | undefined, number: number, roundedWhenDrawn: boolean): string {
  if (old !== undefined) {
    const was = Number.parseFloat(old);
    if (was === number || (roundedWhenDrawn && Math.round(was) === number)) return old;
  }
  return String(number);
}
