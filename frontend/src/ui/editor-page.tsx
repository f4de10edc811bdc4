// `/d/{id}`: one diagram being edited. A lazy chunk: everything here may import the editor.
import { useEffect, useState } from "preact/hooks";
import "../styles/editor.css";
import { api, type Diagram, Problem } from "../api.ts";
import type { Editor } from "../binding/index.ts";
import { type EndReason, light } from "../connection/machine.ts";
import { HistoryPanel } from "../history/panel.tsx";
import { Blank } from "./blank.tsx";
import { Canvas } from "./canvas.tsx";
import { canWrite, carryOver, closeDiagram, hasUnsaved, openDiagram, type Opening, saved } from "./editing.ts";
import { EditorBar } from "./editor-bar.tsx";
import { Ended } from "./ended.tsx";
import { download, fileName } from "./files.ts";
import { guardLeaving } from "./route.ts";
import { me, noticeSignedOut } from "./session.ts";
import { replace } from "./shelf.ts";
import { tell, tellProblem } from "./toast.tsx";
import { words } from "./words.ts";

interface Props {
  id: string;
  history: boolean;
  element: string | null;
}

/** Endings after which a fresh opening is the right answer, without asking. */
const REOPEN = new Set<EndReason>(["role-changed", "other-epoch", "no-right"]);
const REOPEN_PAUSE_MS = 30_000;
const EXPORT_PATIENCE_MS = 4000;

/** The diagram's own facts (title), kept fresh by what the server tells. */
function useFacts(id: string, opening: Opening) {
  const [facts, setFacts] = useState<Diagram | null>(null);
  const [missing, setMissing] = useState(false);
  const load = async (): Promise<void> => {
    try {
      setFacts(await api.diagram(id));
    } catch (error) {
      noticeSignedOut(error);
      if (error instanceof Problem && (error.status === 404 || error.status === 410)) setMissing(true);
    }
  };
  useEffect(() => {
    void load();
    const look = (): void => {
      if (document.visibilityState === "visible") void load();
    };
    document.addEventListener("visibilitychange", look);
    const stop = opening.connection.onNotice(({ event }) => {
      if (event === "version") look();
    });
    return () => {
      document.removeEventListener("visibilitychange", look);
      stop();
    };
  }, [id, opening]);
  const rename = (title: string): void => {
    const before = facts;
    setFacts(before && { ...before, title });
    api.rename(id, title).then(
      (now) => {
        setFacts(now);
        replace(now);
      },
      (error: unknown) => {
        setFacts(before);
        tellProblem(error);
      },
    );
  };
  return { facts, missing, rename };
}

/** Leaving with edits that are not stored asks first. */
function useLeaving(opening: Opening): void {
  useEffect(() => {
    const before = (event: BeforeUnloadEvent): void => {
      if (hasUnsaved(opening)) event.preventDefault();
    };
    addEventListener("beforeunload", before);
    guardLeaving(() => {
      const stuck = hasUnsaved(opening) && light(opening.connection.state.value) !== "saving";
      return !stuck || confirm(words.editor.leave);
    });
    return () => {
      removeEventListener("beforeunload", before);
      guardLeaving(null);
      void closeDiagram(opening);
    };
  }, [opening]);
}

export function EditorPage({ id, history, element }: Props) {
  const [opening, setOpening] = useState(() => openDiagram(id));
  const [editor, setEditor] = useState<Editor | null>(null);
  const [reopened, setReopened] = useState(0);
  const { facts, missing, rename } = useFacts(id, opening);
  useLeaving(opening);
  const state = opening.connection.state.value;
  const { phase } = state;
  const title = facts?.title ?? null;

  useEffect(() => {
    document.title = title === null ? words.product : `${title || words.list.untitled} · ${words.product}`;
  }, [title]);

  const copy = (): Promise<void> =>
    (editor?.exportXml() ?? Promise.reject(new Error("no editor"))).then(
      (xml) => download(xml, fileName(title ?? "", "bpmn")),
      tellProblem,
    );

  const reopen = (): void => {
    setReopened(Date.now());
    setEditor(null);
    setOpening(openDiagram(id));
  };

  const ended = phase.kind === "ended" ? phase.reason : null;
  useEffect(() => {
    if (!ended || !state.loaded || !REOPEN.has(ended) || Date.now() - reopened < REOPEN_PAUSE_MS) return;
    if (ended === "other-epoch" && canWrite(opening))
      carryOver(id, opening).then(
        (carried) => {
          reopen();
          tell(carried ? words.editor.carried(carried.left) : words.editor.moved, { stay: 9000 });
        },
        () => startAnew(ended),
      );
    else startAnew(ended);
  }, [ended]);

  const startAnew = (reason: EndReason): void => {
    // The text on the screen is gone after reopening: take the copy first.
    const kept = hasUnsaved(opening) ? (editor?.exportXml() ?? null) : null;
    reopen();
    const text = reason === "other-epoch" ? words.editor.moved : words.editor.demoted;
    if (kept)
      tell(words.editor.unsavedKept, {
        tone: "warning",
        stay: 60_000,
        action: {
          label: words.history.download,
          run: () => void kept.then((xml) => download(xml, fileName(title ?? "", "bpmn")), tellProblem),
        },
      });
    else tell(text, { stay: 9000 });
  };

  if (missing || (ended === "gone" && !state.loaded))
    return (
      <Blank title={words.editor.missing} lead={words.editor.missingLead}>
        <a class="button" href="/">
          {words.list.back}
        </a>
      </Blank>
    );

  const saveBpmn = async (): Promise<void> => {
    try {
      const behind = canWrite(opening) && !(await saved(opening, EXPORT_PATIENCE_MS));
      download(await api.content(id, "live"), fileName(title ?? "", "bpmn"));
      if (behind) tell(words.editor.exportBehind, { tone: "warning" });
    } catch (error) {
      tellProblem(error);
    }
  };
  const saveSvg = (): void => {
    editor?.exportSvg().then((svg) => download(svg, fileName(title ?? "", "svg"), "image/svg+xml"), tellProblem);
  };

  return (
    <div class="editor">
      <EditorBar {...{ id, title, opening, editor, history, rename, saveSvg }} saveBpmn={() => void saveBpmn()} />
      <div class="editor-body">
        <Canvas opening={opening} element={element} ready={setEditor}>
          {phase.kind === "waiting" && (
            <div class="offline-bar" role="status">
              <span>{state.loaded ? words.offlineBar.text : words.problems.unreachable}</span>
              <button type="button" class="link" onClick={opening.connection.retryNow}>
                {words.offlineBar.retry}
              </button>
            </div>
          )}
        </Canvas>
        {history && <HistoryPanel id={id} title={title ?? ""} opening={opening} writes={canWrite(opening)} />}
      </div>
      {ended && (
        <Ended
          reason={ended}
          unsaved={hasUnsaved(opening)}
          copy={editor ? () => void copy() : null}
          reopen={reopen}
          signIn={() => (me.value = null)}
        />
      )}
    </div>
  );
}
