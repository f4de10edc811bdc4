// `/` for somebody signed in: their diagrams.
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api.ts";
import { Card, CardSkeleton } from "./card.tsx";
import { DropTarget } from "./drop.tsx";
import { Cross, Plus, Search, Upload } from "./icons.tsx";
import { importFiles } from "./imports.ts";
import { ImportsPanel } from "./imports-panel.tsx";
import { Blank, Trouble } from "./blank.tsx";
import { go, toDiagram } from "./route.ts";
import { noticeSignedOut, organization } from "./session.ts";
import { busy, diagrams, listProblem, more, nextCursor, put, refresh, search, shownSearch } from "./shelf.ts";
import { tellProblem } from "./toast.tsx";
import { TopBar } from "./top-bar.tsx";
import { words } from "./words.ts";

const PAUSE_MS = 180;
const EVERY_MS = 20_000;

function SearchBox() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", focus);
    return () => removeEventListener("keydown", focus);
  }, []);
  useEffect(() => {
    if (search.value.trim() === shownSearch.value) return;
    const timer = setTimeout(() => void refresh(), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [search.value]);
  return (
    <div class="search" role="search">
      <Search />
      <input
        ref={input}
        type="text"
        enterkeyhint="search"
        placeholder={words.list.search}
        aria-label={words.list.search}
        value={search.value}
        onInput={(event) => (search.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") search.value = "";
        }}
      />
      {search.value && (
        <button
          type="button"
          aria-label={words.list.clear}
          title={words.list.clear}
          onClick={() => (search.value = "")}
        >
          <Cross size={16} />
        </button>
      )}
    </div>
  );
}

function ImportButton() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="button" title={words.list.importHint} onClick={() => input.current?.click()}>
        <Upload /> <span>{words.list.importFiles}</span>
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept=".bpmn,.bpmn2,.xml,application/xml,text/xml"
        onChange={(event) => {
          importFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

function CreateButton() {
  const [making, setMaking] = useState(false);
  const make = async (): Promise<void> => {
    setMaking(true);
    try {
      const diagram = await api.createDiagram(words.list.untitled, organization.value);
      put(diagram);
      go(toDiagram(diagram.id));
    } catch (error) {
      noticeSignedOut(error);
      tellProblem(error);
      setMaking(false);
    }
  };
  return (
    <button type="button" class="button button-main" disabled={making} aria-busy={making} onClick={() => void make()}>
      <Plus /> <span>{words.list.create}</span>
    </button>
  );
}

function Cards() {
  const list = diagrams.value;
  if (!list && listProblem.value) return <Trouble problem={listProblem.value} again={() => void refresh()} />;
  if (!list)
    return (
      <ul class="cards" aria-busy="true" aria-label={words.list.loading}>
        {Array.from({ length: 8 }, (_, at) => (
          <CardSkeleton key={at} />
        ))}
      </ul>
    );
  if (list.length === 0 && shownSearch.value)
    return <Blank title={words.list.nothingTitle(shownSearch.value)} lead={words.list.nothingLead} />;
  if (list.length === 0)
    return (
      <Blank title={words.list.emptyTitle} lead={words.list.emptyLead} picture>
        <CreateButton />
        <ImportButton />
      </Blank>
    );
  return (
    <ul class="cards" aria-busy={busy.value}>
      {list.map((diagram) => (
        <Card key={diagram.id} diagram={diagram} />
      ))}
    </ul>
  );
}

export function ListPage() {
  useEffect(() => {
    document.title = `${words.list.title} · ${words.product}`;
    void refresh();
    // A spent sign-in link leads here too; to somebody who is signed in that is nothing to speak of.
    if (new URLSearchParams(location.search).has("link")) history.replaceState(null, "", "/");
    const look = (): void => {
      if (document.visibilityState === "visible") void refresh();
    };
    const timer = setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return (
    <>
      <TopBar>
        <SearchBox />
      </TopBar>
      <main class="list">
        <div class="list-head">
          <h1>{words.list.title}</h1>
          <div class="list-actions">
            <ImportButton />
            <CreateButton />
          </div>
        </div>
        <Cards />
        {nextCursor.value && diagrams.value && (
          <button type="button" class="button list-more" disabled={busy.value} onClick={() => void more()}>
            {words.list.more}
          </button>
        )}
      </main>
      <ImportsPanel />
      <DropTarget />
    </>
  );
}
