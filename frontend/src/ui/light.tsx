// The light in the header: saved, saving, offline, not saved. It never says more than the server has confirmed;
// "saved" is only shown a moment late, so that it does not flicker with every keystroke.
import { useEffect, useState } from "preact/hooks";
import type { Light } from "../connection/machine.ts";
import { words } from "./words.ts";

const CALM_MS = 350;

export function useCalm(now: Light): Light {
  const [shown, setShown] = useState(now);
  useEffect(() => {
    if (now !== "saved") {
      setShown(now);
      return;
    }
    const timer = setTimeout(() => setShown(now), CALM_MS);
    return () => clearTimeout(timer);
  }, [now]);
  // Bad news is never late.
  return now === "saved" ? shown : now;
}

export function SaveLight({ light }: { light: Light }) {
  const shown = useCalm(light);
  const urgent = shown === "offline" || shown === "not-saved";
  return (
    <span class={`light light-${shown}`} title={words.lightHint[shown]} data-light={shown}>
      <span class="light-dot" aria-hidden="true" />
      <span class="light-text">{words.light[shown]}</span>
      <span class="unseen" role="status">
        {urgent ? words.lightHint[shown] : ""}
      </span>
    </span>
  );
}
