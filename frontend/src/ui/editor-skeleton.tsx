// The editor's frame while its chunk or its diagram is on the way: same heights, so that nothing jumps.
import { Back } from "./icons.tsx";
import { words } from "./words.ts";

export function EditorSkeleton() {
  return (
    <div class="editor" aria-busy="true">
      <header class="editor-bar">
        <a class="button-icon" href="/" aria-label={words.editor.back} title={words.editor.back}>
          <Back />
        </a>
        <span class="bone bone-bar" />
      </header>
      <div class="editor-body">
        <CanvasSkeleton />
      </div>
    </div>
  );
}

export const CanvasSkeleton = () => (
  <div class="canvas-skeleton" role="status" aria-label={words.editor.loading}>
    <svg viewBox="0 0 240 120" aria-hidden="true" focusable="false">
      <circle cx="28" cy="60" r="14" />
      <path d="M42 60h26M132 60h22M182 46V28h20M182 74v18h20" />
      <rect x="68" y="38" width="64" height="44" rx="10" />
      <path d="m168 44 16 16-16 16-16-16Z" />
      <circle cx="216" cy="28" r="13" />
      <circle cx="216" cy="92" r="13" />
    </svg>
  </div>
);
