// Moments in words: "just now", "5 minutes ago", "yesterday"; the full date goes into the title.
import { words } from "./words.ts";

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "short" });
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });

export function ago(iso: string, now: number = Date.now()): string {
  const then = new Date(iso);
  const seconds = Math.round((then.getTime() - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 45) return words.time.now;
  if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 22 * 3600) return relative.format(Math.round(seconds / 3600), "hour");
  if (size < 7 * 86_400) return relative.format(Math.round(seconds / 86_400), "day");
  return then.getFullYear() === new Date(now).getFullYear() ? day.format(then) : dayAndYear.format(then);
}

export const exact = (iso: string): string => full.format(new Date(iso));
export const atClock = (iso: string): string => clock.format(new Date(iso));

/** "Today", "Yesterday", "3 March": headings of the version list. */
export function dayName(iso: string, now: number = Date.now()): string {
  const midnight = (value: Date): number => new Date(value.getFullYear(), value.getMonth(), value.getDate()).getTime();
  const days = Math.round((midnight(new Date(iso)) - midnight(new Date(now))) / 86_400_000);
  if (days > -2 && days <= 0) {
    const name = relative.format(days, "day");
    return name.charAt(0).toUpperCase() + name.slice(1);
  }
  const then = new Date(iso);
  return then.getFullYear() === new Date(now).getFullYear() ? day.format(then) : dayAndYear.format(then);
}
