// The corner panel that says what became of each imported file.
import { Check, Cross, Warning } from "./icons.tsx";
import { again, forget, type Import, imports } from "./imports.ts";
import { toDiagram } from "./route.ts";
import { words } from "./words.ts";

function Row({ item }: { item: Import }) {
  const { file, outcome, key } = item;
  return (
    <li class={`import import-${outcome.kind}`}>
      <span class="import-mark">
        {outcome.kind === "done" && <Check />}
        {outcome.kind === "refused" && <Warning />}
        {outcome.kind === "sending" && <span class="spinner" />}
      </span>
      <span class="import-text">
        <span class="import-name" title={file.name}>
          {file.name}
        </span>
        {outcome.kind === "refused" && <span class="import-why">{outcome.why}</span>}
        {outcome.kind === "sending" && <span class="import-note">{words.imports.reading}</span>}
        {outcome.kind === "waiting" && <span class="import-note">{words.imports.waiting}</span>}
      </span>
      {outcome.kind === "done" && (
        <a class="link" href={toDiagram(outcome.diagram)} aria-label={`${words.imports.open} ${file.name}`}>
          {words.imports.open}
        </a>
      )}
      {outcome.kind === "refused" && outcome.again && (
        <button type="button" class="link" onClick={() => again(key)}>
          {words.imports.retry}
        </button>
      )}
    </li>
  );
}

export function ImportsPanel() {
  const all = imports.value;
  if (all.length === 0) return null;
  const count = (kind: string): number => all.filter(({ outcome }) => outcome.kind === kind).length;
  const [good, bad] = [count("done"), count("refused")];
  const done = good + bad;
  return (
    <section class="imports" aria-label={words.list.importFiles}>
      <header>
        <h2>
          <span role="status">
            {done < all.length ? words.imports.title(done, all.length) : words.imports.finished(good, bad)}
          </span>
        </h2>
        {done === all.length && (
          <button
            type="button"
            class="button-icon"
            aria-label={words.imports.close}
            title={words.imports.close}
            onClick={forget}
          >
            <Cross />
          </button>
        )}
      </header>
      <progress max={all.length} value={done} aria-label={words.imports.title(done, all.length)} />
      <ul>
        {all.map((item) => (
          <Row key={item.key} item={item} />
        ))}
      </ul>
    </section>
  );
}
