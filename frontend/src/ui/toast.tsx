// Short notices at the bottom: said to screen readers, gone after a while, with at most one action.
import { signal } from "@preact/signals";
import { Cross } from "./icons.tsx";
import { plain } from "./problems.ts";
import { words } from "./words.ts";

interface Toast {
  id: number;
  text: string;
  tone: "info" | "warning";
  action?: { label: string; run: () => void };
}

const MOST = 3;
const toasts = signal<Toast[]>([]);
let last = 0;

const dismiss = (id: number): void => {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
};

export function tell(
  text: string,
  options: { tone?: Toast["tone"]; action?: Toast["action"]; stay?: number } = {},
): void {
  const { tone = "info", action, stay = action ? 9000 : 5000 } = options;
  const id = ++last;
  toasts.value = [
    ...toasts.value.filter((toast) => toast.text !== text),
    { id, text, tone, ...(action && { action }) },
  ].slice(-MOST);
  setTimeout(() => dismiss(id), stay);
}

export const tellProblem = (error: unknown): void => tell(plain(error), { tone: "warning", stay: 8000 });

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, tone, action }) => (
        <div key={id} class={`toast toast-${tone}`}>
          <span>{text}</span>
          {action && (
            <button
              type="button"
              class="toast-action"
              onClick={() => {
                dismiss(id);
                action.run();
              }}
            >
              {action.label}
            </button>
          )}
          <button type="button" class="toast-close" aria-label={words.toastClose} onClick={() => dismiss(id)}>
            <Cross />
          </button>
        </div>
      ))}
    </div>
  );
}
