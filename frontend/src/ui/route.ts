// Which page: `/` list or sign-in, `/?deleted`, `/d/{id}` editor, `/d/{id}/history` editor with its versions open,
// `/share/`, `/invitation/` and `/reset/` with the secret of a link that somebody was given.
import { signal } from "@preact/signals";

export type LinkKind = "share" | "invitation" | "reset";

export type Route =
  | { page: "list" }
  | { page: "deleted" }
  | { page: "diagram"; id: string; history: boolean; element: string | null }
  | { page: "link"; kind: LinkKind; secret: string }
  | { page: "unknown" };

export function routeOf(path: string, search = ""): Route {
  if (path === "/" || path === "") return { page: new URLSearchParams(search).has("deleted") ? "deleted" : "list" };
  const link = /^\/(share|invitation|reset)\/([^/]+)$/.exec(path);
  if (link?.[1] && link[2]) return { page: "link", kind: link[1] as LinkKind, secret: decodeURIComponent(link[2]) };
  const found = /^\/d\/([^/]+)(\/history)?\/?$/.exec(path);
  if (!found?.[1]) return { page: "unknown" };
  const element = new URLSearchParams(search).get("element");
  return { page: "diagram", id: decodeURIComponent(found[1]), history: Boolean(found[2]), element };
}

const here = (): Route => routeOf(location.pathname, location.search);

export const route = signal<Route>(here());
export const toDiagram = (id: string, history = false): string =>
  `/d/${encodeURIComponent(id)}${history ? "/history" : ""}`;

/** A page may ask to be left only with consent (unsaved edits). Back and forward are not asked: edits go on being sent. */
let guard: (() => boolean) | null = null;
export const guardLeaving = (ask: (() => boolean) | null): void => {
  guard = ask;
};

export function go(path: string, replace = false): void {
  const [pathname = "/", search = ""] = path.split("?");
  const target = routeOf(pathname, search);
  const current = route.value;
  const same = target.page === "diagram" && current.page === "diagram" && target.id === current.id;
  if (!same && guard && !guard()) return;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  route.value = here();
  if (!same) scrollTo(0, 0);
}

/** Plain left clicks on our own links stay on the page; everything else is the browser's. */
export function followLinks(): void {
  addEventListener("popstate", () => (route.value = here()));
  document.addEventListener("click", (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (routeOf(link.pathname).page === "unknown") return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
