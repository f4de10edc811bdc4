// Questions in the middle of the page, on the browser's own <dialog> (focus trap, Escape, inert background).
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "./words.ts";

interface Question {
  title: string;
  lead?: string;
  field?: { label: string; value: string; maxLength: number; optional?: boolean };
  confirm: string;
  danger?: boolean;
  answer: (value: string | null) => void;
}

const asked = signal<Question | null>(null);

/** The text that was entered (or "" for a plain confirmation); null when the person changed their mind. */
export function ask(question: Omit<Question, "answer">): Promise<string | null> {
  asked.value?.answer(null);
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer: (value) => {
        asked.value = null;
        resolve(value);
      },
    };
  });
}

function Asked({ question }: { question: Question }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [value, setValue] = useState(question.field?.value ?? "");
  const { field } = question;

  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    element?.querySelector("input")?.select();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        question.answer(null);
      }}
      onClick={(event) => {
        if (event.target === dialog.current) question.answer(null);
      }}
    >
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          question.answer(value.trim());
        }}
      >
        <h2 id="dialog-title">{question.title}</h2>
        {question.lead && <p>{question.lead}</p>}
        {field && (
          <label class="field">
            <span>{field.label}</span>
            <input
              type="text"
              value={value}
              maxLength={field.maxLength}
              required={!field.optional}
              onInput={(event) => setValue(event.currentTarget.value)}
            />
          </label>
        )}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={() => question.answer(null)}>
            {words.dialog.cancel}
          </button>
          <button type="submit" class={question.danger ? "button button-danger" : "button button-main"}>
            {question.confirm}
          </button>
        </div>
      </form>
    </dialog>
  );
}

export function Dialogs() {
  const question = asked.value;
  return question ? <Asked key={question.title} question={question} /> : null;
}
