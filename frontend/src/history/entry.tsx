// One version in the panel: what it is called, who made it when, and what can be done with it.
import type { Version } from "../api.ts";
import { Avatar, colorOf } from "../ui/avatar.tsx";
import { Dots, Download, Pencil, Pin, Undo, Warning } from "../ui/icons.tsx";
import { type Choice, Menu } from "../ui/menu.tsx";
import { idOf, nameOf, namesOf } from "../ui/people.ts";
import { atClock, exact } from "../ui/time.ts";
import { words } from "../ui/words.ts";

export interface Deeds {
  restore: (version: Version) => void;
  name: (version: Version) => void;
  pin: (version: Version) => void;
  download: (version: Version) => void;
}

export const labelOf = (version: Version): string =>
  version.name ?? (version.message || words.history.version(version.version));

function choices(version: Version, head: boolean, writes: boolean, deeds: Deeds): Choice[] {
  const stored = !version.evicted_at;
  const all: Choice[] = [];
  if (writes && !head)
    all.push({ label: words.history.restore, icon: <Undo />, disabled: !stored, run: () => deeds.restore(version) });
  if (writes) {
    all.push({ label: words.history.name, icon: <Pencil />, run: () => deeds.name(version) });
    all.push({
      label: version.pinned ? words.history.unpin : words.history.pin,
      icon: <Pin />,
      run: () => deeds.pin(version),
    });
  }
  all.push({
    label: words.history.download,
    icon: <Download />,
    disabled: !stored,
    run: () => deeds.download(version),
  });
  return all;
}

export function Entry({
  version,
  head,
  writes,
  deeds,
}: {
  version: Version;
  head: boolean;
  writes: boolean;
  deeds: Deeds;
}) {
  const people = version.authors.length > 0 ? version.authors : version.created_by ? [version.created_by] : [];
  const label = labelOf(version);
  const plainNumber = label === words.history.version(version.version);
  return (
    <li class={`version${head ? " version-head" : ""}`}>
      <span class="version-faces" aria-hidden="true">
        {people.slice(0, 2).map((person) => (
          <Avatar
            key={idOf(person)}
            face={{ id: idOf(person), name: nameOf(person), color: colorOf(idOf(person)) }}
            small
          />
        ))}
      </span>
      <div class="version-text">
        <span class="version-label" title={label}>
          {label}
        </span>
        <span class="version-note">
          <time dateTime={version.created_at} title={exact(version.created_at)}>
            {atClock(version.created_at)}
          </time>
          {" · "}
          {plainNumber ? words.history.kind[version.kind] : words.history.version(version.version)}
          {people.length > 0 && ` ${words.history.by(namesOf(people))}`}
        </span>
        <span class="version-badges">
          {head && <span class="badge badge-accent">{words.history.head}</span>}
          {version.pinned && (
            <span class="badge">
              <Pin size={14} /> {words.history.pinned}
            </span>
          )}
          {!version.valid && (
            <span class="badge badge-warning" title={words.history.invalidHint}>
              <Warning size={14} /> {words.history.invalid}
            </span>
          )}
          {version.evicted_at && <span class="badge">{words.history.evicted}</span>}
        </span>
      </div>
      <Menu label={words.history.options(label)} button={<Dots />} choices={choices(version, head, writes, deeds)} />
    </li>
  );
}
