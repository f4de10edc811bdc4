// The bar above the canvas: back, title, light, undo and redo, people, versions, export.
import type { Editor } from "../binding/index.ts";
import { light } from "../connection/machine.ts";
import { canWrite, type Opening } from "./editing.ts";
import { Here } from "./here.tsx";
import { Back, Download, Eye, Fit, History, Redo, Undo } from "./icons.tsx";
import { SaveLight } from "./light.tsx";
import { Menu } from "./menu.tsx";
import { go, toDiagram } from "./route.ts";
import { Title } from "./title.tsx";
import { words } from "./words.ts";

interface Props {
  id: string;
  title: string | null;
  opening: Opening;
  editor: Editor | null;
  history: boolean;
  rename: (title: string) => void;
  saveBpmn: () => void;
  saveSvg: () => void;
}

function IconButton(props: { label: string; icon: preact.ComponentChildren; disabled?: boolean; run: () => void }) {
  return (
    <button
      type="button"
      class="button-icon"
      aria-label={props.label}
      title={props.label}
      disabled={props.disabled ?? false}
      onClick={props.run}
    >
      {props.icon}
    </button>
  );
}

export function EditorBar({ id, title, opening, editor, history, rename, saveBpmn, saveSvg }: Props) {
  const { connection } = opening;
  const state = connection.state.value;
  const known = connection.ticket.value !== null;
  const writes = canWrite(opening);
  return (
    <header class="editor-bar">
      <a class="button-icon" href="/" aria-label={words.editor.back} title={words.editor.back}>
        <Back />
      </a>
      {title === null ? <span class="bone bone-bar" /> : <Title title={title} readonly={!writes} rename={rename} />}
      {known && !writes ? (
        <span class="badge" title={words.editor.viewOnlyHint}>
          <Eye size={16} /> {words.editor.viewOnly}
        </span>
      ) : (
        <SaveLight light={light(state)} />
      )}
      <div class="editor-bar-space" />
      <div class="editor-bar-group editor-bar-edit">
        {writes && (
          <IconButton label={words.editor.undo} icon={<Undo />} disabled={!editor} run={() => editor?.undo()} />
        )}
        {writes && (
          <IconButton label={words.editor.redo} icon={<Redo />} disabled={!editor} run={() => editor?.redo()} />
        )}
        <IconButton label={words.editor.fit} icon={<Fit />} disabled={!editor} run={() => editor?.zoomToFit()} />
      </div>
      <Here awareness={connection.awareness} />
      <div class="editor-bar-group">
        <a
          class="button button-quiet"
          href={toDiagram(id, !history)}
          aria-expanded={history}
          role="button"
          onClick={(event) => {
            event.preventDefault();
            go(toDiagram(id, !history), true);
          }}
        >
          <History /> <span class="wide-only">{words.editor.history}</span>
        </a>
        <Menu
          class="button button-quiet"
          label={words.editor.exportMenu}
          button={
            <>
              <Download /> <span class="wide-only">{words.editor.exportMenu}</span>
            </>
          }
          choices={[
            { label: words.editor.exportBpmn, run: saveBpmn },
            { label: words.editor.exportSvg, run: saveSvg, disabled: !editor },
          ]}
        />
      </div>
    </header>
  );
}
