// The versions beside the canvas (`/d/{id}/history`): make one now, name, keep, download, restore.
import { useState } from "preact/hooks";
import { api, type Version } from "../api.ts";
import { ask } from "../ui/dialog.tsx";
import { type Opening, saved } from "../ui/editing.ts";
import { download, fileName } from "../ui/files.ts";
import { Cross, Plus } from "../ui/icons.tsx";
import { plain } from "../ui/problems.ts";
import { go, toDiagram } from "../ui/route.ts";
import { dayName } from "../ui/time.ts";
import { tell, tellProblem } from "../ui/toast.tsx";
import { words } from "../ui/words.ts";
import { type Deeds, Entry, labelOf } from "./entry.tsx";
import { useVersions } from "./versions.ts";

interface Props {
  id: string;
  title: string;
  opening: Opening;
  writes: boolean;
}

/** Versions in groups of a day, newest first. */
export function byDay(list: Version[], now?: number): [string, Version[]][] {
  const days: [string, Version[]][] = [];
  for (const version of list) {
    const name = dayName(version.created_at, now);
    const last = days.at(-1);
    if (last?.[0] === name) last[1].push(version);
    else days.push([name, [version]]);
  }
  return days;
}

export function HistoryPanel({ id, title, opening, writes }: Props) {
  const versions = useVersions(id, opening.connection);
  const [message, setMessage] = useState("");
  const [making, setMaking] = useState(false);
  const head = versions.list?.[0]?.version ?? 0;
  const close = (): void => go(toDiagram(id), true);

  const make = async (): Promise<void> => {
    setMaking(true);
    try {
      await saved(opening, 4000);
      const made = await api.makeVersion(id, message.trim());
      tell(made.version === head ? words.history.unchanged(head) : words.history.made(made.version));
      setMessage("");
      await versions.reload();
    } catch (error) {
      tellProblem(error);
    }
    setMaking(false);
  };

  const change = async (version: Version, values: { name?: string | null; pinned?: boolean }): Promise<void> => {
    versions.put({ ...version, ...values });
    try {
      versions.put(await api.changeVersion(id, version.version, values));
    } catch (error) {
      versions.put(version);
      tellProblem(error);
    }
  };

  const restore = async (version: Version): Promise<void> => {
    const label = labelOf(version);
    const yes = await ask({
      title: words.history.restoreTitle(label),
      lead: words.history.restoreLead,
      confirm: words.history.restore,
    });
    if (yes === null) return;
    try {
      await api.restore(id, version.version);
      tell(words.history.restored(label));
      await versions.reload();
    } catch (error) {
      tellProblem(error);
    }
  };

  const name = async (version: Version): Promise<void> => {
    const text = await ask({
      title: words.history.name,
      field: { label: words.history.nameLabel, value: version.name ?? "", maxLength: 200, optional: true },
      confirm: words.dialog.save,
    });
    if (text !== null) await change(version, { name: text || null });
  };

  const deeds: Deeds = {
    restore: (version) => void restore(version),
    name: (version) => void name(version),
    pin: (version) => void change(version, { pinned: !version.pinned }),
    download: (version) => {
      const file = fileName(`${title} v${version.version}`, "bpmn");
      api.content(id, version.version).then((xml) => download(xml, file), tellProblem);
    },
  };

  return (
    <aside class="panel" aria-labelledby="panel-title">
      <header class="panel-head">
        <h2 id="panel-title">{words.history.title}</h2>
        <button
          type="button"
          class="button-icon"
          aria-label={words.history.close}
          title={words.history.close}
          onClick={close}
        >
          <Cross />
        </button>
      </header>
      {writes && (
        <form
          class="panel-make"
          onSubmit={(event) => {
            event.preventDefault();
            if (!making) void make();
          }}
        >
          <input
            type="text"
            aria-label={words.history.message}
            placeholder={words.history.message}
            maxLength={500}
            value={message}
            onInput={(event) => setMessage(event.currentTarget.value)}
          />
          <button type="submit" class="button button-main button-wide" disabled={making} aria-busy={making}>
            <Plus /> {making ? words.history.making : words.history.make}
          </button>
        </form>
      )}
      <div class="panel-list" aria-busy={versions.list === null}>
        {versions.problem !== null && (
          <p class="panel-problem" role="alert">
            {plain(versions.problem)}{" "}
            <button type="button" class="link" onClick={() => void versions.reload()}>
              {words.history.retry}
            </button>
          </p>
        )}
        {versions.list === null && versions.problem === null && (
          <div role="status" aria-label={words.history.loading}>
            {Array.from({ length: 5 }, (_, at) => (
              <span key={at} class="bone bone-version" />
            ))}
          </div>
        )}
        {byDay(versions.list ?? []).map(([day, list]) => (
          <section key={day}>
            <h3>{day}</h3>
            <ul>
              {list.map((version) => (
                <Entry key={version.version} version={version} head={version.version === head} {...{ writes, deeds }} />
              ))}
            </ul>
          </section>
        ))}
        {versions.list?.length === 0 && <p class="panel-empty">{words.history.none}</p>}
        {versions.older && (
          <button type="button" class="button button-wide" onClick={() => void versions.more()}>
            {words.history.more}
          </button>
        )}
      </div>
    </aside>
  );
}
