// Who is signed in. `undefined` while we do not know yet, `null` when nobody is.
import { signal } from "@preact/signals";
import { api, type Me, Problem } from "../api.ts";
import { route } from "./route.ts";
import { words } from "./words.ts";

export const me = signal<Me | null | undefined>(undefined);
/** The organization whose diagrams are shown; undefined means the caller's own. */
export const organization = signal<string | undefined>(undefined);
/** Set when the first question could not be asked at all. */
export const startProblem = signal<unknown>(null);

/** Who came through a link without signing in: sees one diagram, and that as it is. */
export const visitor: Me = { id: "", email: "", name: words.links.visitor, orgs: [] };

export async function loadMe(): Promise<void> {
  startProblem.value = null;
  try {
    me.value = await api.me();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) me.value = (await visits()) ? visitor : null;
    else startProblem.value = error;
  }
}

async function visits(): Promise<boolean> {
  const where = route.value;
  if (where.page !== "diagram") return false;
  return api.diagram(where.id).then(
    () => true,
    () => false,
  );
}

/** The server marks the page it sends to somebody without a session: no need to ask. */
export async function begin(): Promise<void> {
  if ("signedOut" in document.documentElement.dataset) me.value = null;
  else await loadMe();
}

export async function signOut(): Promise<void> {
  await api.logout();
  me.value = null;
  organization.value = undefined;
}

/** Any refusal may mean that the session ended elsewhere: show the sign-in form then. */
export function noticeSignedOut(error: unknown): void {
  if (error instanceof Problem && error.status === 401 && error.code !== "bad_credentials") me.value = null;
}
