// Which page stands on the screen: by the address, and by who is signed in.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Blank, Trouble } from "./blank.tsx";
import { DeletedPage } from "./deleted-page.tsx";
import { Dialogs } from "./dialog.tsx";
import { EditorSkeleton } from "./editor-skeleton.tsx";
import { ListPage } from "./list-page.tsx";
import { type LinkKind, route } from "./route.ts";
import { loadMe, me, startProblem } from "./session.ts";
import { SignIn } from "./sign-in.tsx";
import { Toasts } from "./toast.tsx";
import { loadEditor } from "./warm.ts";
import { words } from "./words.ts";

interface DiagramProps {
  id: string;
  history: boolean;
  element: string | null;
}

function LazyEditor(props: DiagramProps) {
  const [Page, setPage] = useState<ComponentType<DiagramProps> | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const load = (): void => {
    setProblem(null);
    loadEditor().then((module) => setPage(() => module.EditorPage), setProblem);
  };
  useEffect(load, []);
  if (problem !== null) return <Trouble problem={problem} again={load} />;
  return Page ? <Page key={props.id} {...props} /> : <EditorSkeleton />;
}

function LazyLink(props: { kind: LinkKind; secret: string }) {
  const [Page, setPage] = useState<ComponentType<typeof props> | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const load = (): void => {
    setProblem(null);
    import("./link-page.tsx").then((module) => setPage(() => module.LinkPage), setProblem);
  };
  useEffect(load, []);
  if (problem !== null) return <Trouble problem={problem} again={load} />;
  return Page && <Page {...props} />;
}

function Screen() {
  const where = route.value;
  if (startProblem.value !== null) return <Trouble problem={startProblem.value} again={() => void loadMe()} />;
  if (me.value === undefined) return where.page === "diagram" ? <EditorSkeleton /> : null;
  if (where.page === "link") return <LazyLink kind={where.kind} secret={where.secret} />;
  if (me.value === null) return <SignIn />;
  switch (where.page) {
    case "list":
      return <ListPage />;
    case "deleted":
      return <DeletedPage />;
    case "diagram":
      return <LazyEditor key={where.id} id={where.id} history={where.history} element={where.element} />;
    case "unknown":
      return (
        <Blank title={words.notFoundTitle} lead={words.notFoundLead}>
          <a class="button" href="/">
            {words.list.back}
          </a>
        </Blank>
      );
  }
}

export const App = () => (
  <>
    <Screen />
    <Toasts />
    <Dialogs />
  </>
);
