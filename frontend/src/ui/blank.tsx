// What stands where nothing is to show: an empty list, a search without hits, a failure with a way on.
import type { ComponentChildren } from "preact";
import { plain } from "./problems.ts";
import { words } from "./words.ts";

function EmptyPicture() {
  return (
    <svg class="blank-picture" viewBox="0 0 240 120" aria-hidden="true" focusable="false">
      <circle cx="28" cy="60" r="14" />
      <path fill="none" d="M42 60h26M132 60h22M182 46V28h20M182 74v18h20" />
      <rect x="68" y="38" width="64" height="44" rx="10" />
      <path d="m168 44 16 16-16 16-16-16Z" />
      <circle cx="216" cy="28" r="13" class="thick" />
      <circle cx="216" cy="92" r="13" class="thick" />
      <path class="accent" d="M84 60h32" />
    </svg>
  );
}

interface Props {
  title: string;
  lead?: string;
  picture?: boolean;
  children?: ComponentChildren;
}

export function Blank({ title, lead, picture, children }: Props) {
  return (
    <div class="blank">
      {picture && <EmptyPicture />}
      <h2>{title}</h2>
      {lead && <p>{lead}</p>}
      {children && <div class="blank-actions">{children}</div>}
    </div>
  );
}

export function Trouble({ problem, again }: { problem: unknown; again: () => void }) {
  return (
    <Blank title={words.list.refused} lead={plain(problem)}>
      <button type="button" class="button" onClick={again}>
        {words.imports.retry}
      </button>
    </Blank>
  );
}
