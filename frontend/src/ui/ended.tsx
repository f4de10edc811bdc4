// Over the canvas when a session is over for good: what happened, and the one thing to do.
import { useEffect, useRef } from "preact/hooks";
import type { EndReason } from "../connection/machine.ts";
import { words } from "./words.ts";

interface Props {
  reason: EndReason;
  unsaved: boolean;
  copy: (() => void) | null;
  reopen: () => void;
  signIn: () => void;
}

export function Ended({ reason, unsaved, copy, reopen, signIn }: Props) {
  const [title, lead, action] = words.ended[reason] as [string, string, string];
  const main = useRef<HTMLElement>(null);
  useEffect(() => main.current?.focus(), []);
  return (
    <div class="ended" role="alertdialog" aria-labelledby="ended-title" aria-describedby="ended-lead">
      <div class="ended-box" ref={main as never} tabIndex={-1}>
        <h2 id="ended-title">{title}</h2>
        <p id="ended-lead">
          {lead}
          {unsaved && ` ${words.editor.unsavedKept}`}
        </p>
        <div class="dialog-buttons">
          {unsaved && copy && (
            <button type="button" class="button" onClick={copy}>
              {words.editor.exportCopy}
            </button>
          )}
          {reason === "gone" || reason === "no-right" ? (
            <a class="button button-main" href="/">
              {action}
            </a>
          ) : (
            <button type="button" class="button button-main" onClick={reason === "signed-out" ? signIn : reopen}>
              {action}
            </button>
          )}
        </div>
      </div>
    </div>
  );
}
