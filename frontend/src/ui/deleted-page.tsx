// `/?deleted`: what was deleted and can still be brought back.
import { useEffect, useState } from "preact/hooks";
import { api, type Diagram } from "../api.ts";
import { Blank, Trouble } from "./blank.tsx";
import { Back, Undo } from "./icons.tsx";
import { noticeSignedOut, organization } from "./session.ts";
import { put } from "./shelf.ts";
import { ago } from "./time.ts";
import { tellProblem } from "./toast.tsx";
import { TopBar } from "./top-bar.tsx";
import { words } from "./words.ts";

export function DeletedPage() {
  const [list, setList] = useState<Diagram[] | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const load = async (): Promise<void> => {
    setProblem(null);
    try {
      const answer = await api.diagrams({ org: organization.value, deleted: true });
      setList(answer?.page.items ?? []);
    } catch (error) {
      noticeSignedOut(error);
      setProblem(error);
    }
  };
  useEffect(() => {
    document.title = `${words.list.trash} · ${words.product}`;
    void load();
  }, []);
  const bringBack = async (diagram: Diagram): Promise<void> => {
    try {
      put(await api.undelete(diagram.id));
      setList((now) => now?.filter((item) => item.id !== diagram.id) ?? null);
    } catch (error) {
      tellProblem(error);
    }
  };
  return (
    <>
      <TopBar />
      <main class="list list-narrow">
        <a class="back-link" href="/">
          <Back /> {words.list.back}
        </a>
        <h1>{words.list.trash}</h1>
        <p class="lead">{words.list.trashLead}</p>
        {problem !== null && <Trouble problem={problem} again={() => void load()} />}
        {list?.length === 0 && <Blank title={words.list.trashEmpty} />}
        <ul class="rows">
          {list?.map((diagram) => (
            <li key={diagram.id} class="row">
              <span class="row-text">
                <strong>{diagram.title || words.list.untitled}</strong>
                {diagram.purge_at && <small>{words.list.purge(ago(diagram.purge_at))}</small>}
              </span>
              <button type="button" class="button" onClick={() => void bringBack(diagram)}>
                <Undo /> {words.list.bringBack}
              </button>
            </li>
          ))}
        </ul>
      </main>
    </>
  );
}
