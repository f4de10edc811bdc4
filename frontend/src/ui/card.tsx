// One diagram in the list: a link with its picture, title, and who touched it when; a menu beside it.
import { useState } from "preact/hooks";
import { api, type Diagram } from "../api.ts";
import { ask } from "./dialog.tsx";
import { download, fileName } from "./files.ts";
import { Dots, Download, History, Pencil, Trash } from "./icons.tsx";
import { Menu } from "./menu.tsx";
import { nameOf } from "./people.ts";
import { go, toDiagram } from "./route.ts";
import { put, replace, take } from "./shelf.ts";
import { ago, exact } from "./time.ts";
import { tell, tellProblem } from "./toast.tsx";
import { words } from "./words.ts";
import { warmEditor } from "./warm.ts";

async function rename(diagram: Diagram): Promise<void> {
  const title = await ask({
    title: words.list.renameTitle,
    field: { label: words.list.renameLabel, value: diagram.title, maxLength: 200 },
    confirm: words.dialog.save,
  });
  if (!title || title === diagram.title) return;
  replace({ ...diagram, title });
  try {
    replace(await api.rename(diagram.id, title));
  } catch (error) {
    replace(diagram);
    tellProblem(error);
  }
}

async function remove(diagram: Diagram): Promise<void> {
  take(diagram.id);
  const bringBack = (): void => {
    api.undelete(diagram.id).then(put, tellProblem);
  };
  try {
    await api.remove(diagram.id);
    tell(words.list.removed(diagram.title), { action: { label: words.list.undo, run: bringBack } });
  } catch (error) {
    put(diagram);
    tellProblem(error);
  }
}

const save = (diagram: Diagram): void => {
  api.content(diagram.id, "live").then((xml) => download(xml, fileName(diagram.title, "bpmn")), tellProblem);
};

function Picture({ diagram }: { diagram: Diagram }) {
  const [state, setState] = useState<"loading" | "shown" | "missing">("loading");
  // The version in the address makes the browser ask again only when there is a new picture.
  const source = `${diagram.thumbnail_url}${diagram.thumbnail_url.includes("?") ? "&" : "?"}v=${diagram.version}`;
  return (
    <span class={`card-picture card-picture-${state}`}>
      {state !== "missing" && (
        <img
          src={source}
          alt=""
          loading="lazy"
          decoding="async"
          onLoad={() => setState("shown")}
          onError={() => setState("missing")}
        />
      )}
    </span>
  );
}

export function Card({ diagram }: { diagram: Diagram }) {
  const title = diagram.title || words.list.untitled;
  const who = diagram.updated_by ? nameOf(diagram.updated_by) : null;
  return (
    <li class="card">
      <a href={toDiagram(diagram.id)} class="card-link" onPointerEnter={warmEditor} onFocus={warmEditor}>
        <Picture diagram={diagram} />
        <span class="card-title" title={title}>
          {title}
        </span>
        <span class="card-note">
          <time dateTime={diagram.updated_at} title={exact(diagram.updated_at)}>
            {ago(diagram.updated_at)}
          </time>
          {who && <span class="card-who">{who}</span>}
        </span>
      </a>
      <Menu
        class="button-icon card-menu"
        label={words.list.options(title)}
        button={<Dots />}
        choices={[
          { label: words.list.rename, icon: <Pencil />, run: () => void rename(diagram) },
          { label: words.list.history, icon: <History />, run: () => go(toDiagram(diagram.id, true)) },
          { label: words.list.download, icon: <Download />, run: () => save(diagram) },
          { label: words.list.remove, icon: <Trash />, danger: true, run: () => void remove(diagram) },
        ]}
      />
    </li>
  );
}

export const CardSkeleton = () => (
  <li class="card card-skeleton" aria-hidden="true">
    <span class="card-picture" />
    <span class="bone bone-title" />
    <span class="bone bone-note" />
  </li>
);
