// Fractional indices: a child's place among its siblings as a string that always leaves room between two of them.
import { compare } from "../document/view.ts";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** An index after `low` and before `high` ("" and null are the ends), in byte order. Ends in a random digit, so that two people differ. */
export function between(low: string, high: string | null, random: () => number): string {
  if (high !== null && compare(low, high) >= 0) high = null;
  const last = high === null && low !== "" ? next(low) : null;
  const middle = last ?? midpoint(low, high);
  const jittered = middle + (DIGITS[1 + Math.floor(random() * (DIGITS.length - 1))] as string);
  return high === null || compare(jittered, high) < 0 ? jittered : middle;
}

const value = (text: string, i: number): number => Math.max(0, DIGITS.indexOf(text[i] ?? "0"));

function midpoint(low: string, high: string | null): string {
  let made = "";
  for (let i = 0; ; i++) {
    const a = value(low, i);
    if (i > low.length && i > (high?.length ?? 0)) return `${low}V`;
    const bounded = high !== null && high.startsWith(made);
    const b = bounded ? (i < high.length ? value(high, i) : 0) : DIGITS.length;
    if (bounded && a === b) {
      made += DIGITS[a] as string;
      continue;
    }
    const middle = Math.floor((a + b) / 2);
    if (middle > a) return made + (DIGITS[middle] as string);
    made += DIGITS[a] as string;
  }
}

/** Appending is the common case: count up instead of halving, so that indices stay short. */
function next(low: string): string | null {
  for (let i = 1; i < low.length; i++) {
    const digit = DIGITS.indexOf(low[i] as string);
    if (digit >= 0 && digit < DIGITS.length - 1) return low.slice(0, i) + (DIGITS[digit + 1] as string);
  }
  return null;
}

/** Members of `now` that keep their order from `before`: the longest run that need not move. */
export function steady(before: readonly string[], now: readonly string[]): Set<string> {
  const place = new Map(before.map((key, i) => [key, i]));
  const kept = now.filter((key) => place.has(key));
  const tails: number[] = [];
  const previous = new Map<number, number>();
  const at = kept.map((key) => place.get(key) as number);
  const ends: number[] = [];
  at.forEach((where, i) => {
    let length = tails.findIndex((tail) => tail >= where);
    if (length < 0) length = tails.length;
    tails[length] = where;
    ends[length] = i;
    if (length > 0) previous.set(i, ends[length - 1] as number);
  });
  const found = new Set<string>();
  for (let i = ends[tails.length - 1]; i !== undefined; i = previous.get(i)) found.add(kept[i] as string);
  return found;
}
