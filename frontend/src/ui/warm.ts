// The editor is a chunk of its own. Pointing at a diagram starts fetching it, so that opening feels instant.

export const loadEditor = () => import("./editor-page.tsx");

let warm = false;
export function warmEditor(): void {
  if (warm) return;
  warm = true;
  loadEditor().catch(() => (warm = false));
}
