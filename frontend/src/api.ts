// The typed client of the REST API (/api/v1). Every failure is a Problem: a refusal of the server (problem+json),
// or "unreachable" when no answer came. Nothing here knows the page; texts for people are made in ui/problems.ts.

export interface Person {
  id: string;
  name: string;
}

export interface Me {
  id: string;
  email: string;
  name: string;
  color?: string;
  orgs: { id: string; name: string; role: string }[];
}

export interface Diagram {
  id: string;
  title: string;
  org_id: string;
  version: number;
  element_count: number;
  thumbnail_url: string;
  updated_at: string;
  updated_by: Person | string | null;
  editors?: (Person | string)[];
  role?: string;
  deleted_at: string | null;
  purge_at: string | null;
}

export type VersionKind = "auto" | "manual" | "restore" | "import" | "ai";

export interface Version {
  version: number;
  kind: VersionKind;
  name?: string | null;
  message: string | null;
  created_at: string;
  created_by: Person | string | null;
  authors: (Person | string)[];
  pinned: boolean;
  valid: boolean;
  evicted_at?: string | null;
}

export interface Ticket {
  ticket: string;
  role: string;
  epoch: number;
  expires_in: number;
}

export type Role = "viewer" | "commenter" | "editor" | "admin" | "owner";

/** How to sign in here. */
export interface Methods {
  registration: boolean;
  oidc: { name: string; url: string } | null;
}

export interface ShareLink {
  role: Role;
  has_password: boolean;
}

export interface Invitation {
  organization: string;
  email: string;
  role: Role;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface FieldError {
  path?: string;
  rule?: string;
  message?: string;
}

/** What went wrong, as the server said it. `code` is one of its closed list, or "unreachable" / "unexpected". */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly detail: string,
    readonly errors: FieldError[] = [],
    readonly retryAfter: number | null = null,
    readonly requestId: string | null = null,
  ) {
    super(`${code} (${status}): ${detail}`);
    this.name = "Problem";
  }
}

interface Call {
  method?: string;
  json?: unknown;
  body?: Blob | string;
  type?: string;
  ifMatch?: string;
  ifNoneMatch?: string;
  signal?: AbortSignal;
}

const root = "/api/v1";

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown, otherwise = ""): string {
  return typeof value === "string" ? value : otherwise;
}

async function problemOf(answer: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = record(await answer.json());
  } catch {
    // A proxy may answer in HTML: the status is all we know.
  }
  const errors = Array.isArray(body["errors"]) ? (body["errors"] as FieldError[]) : [];
  const wait = Number.parseFloat(answer.headers.get("retry-after") ?? "");
  return new Problem(
    text(body["code"], answer.status >= 500 ? "storage_unavailable" : "unexpected"),
    answer.status,
    text(body["detail"]),
    errors,
    Number.isFinite(wait) ? wait : null,
    text(body["request_id"]) || answer.headers.get("x-request-id"),
  );
}

/** One request. Resolves for 2xx and 304; everything else is a Problem. */
async function send(path: string, call: Call = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (call.json !== undefined) headers["content-type"] = "application/json";
  if (call.type) headers["content-type"] = call.type;
  if (call.ifMatch) headers["if-match"] = call.ifMatch;
  if (call.ifNoneMatch) headers["if-none-match"] = call.ifNoneMatch;
  let answer: Response;
  try {
    answer = await fetch(root + path, {
      method: call.method ?? "GET",
      headers,
      credentials: "same-origin",
      body: call.json === undefined ? (call.body ?? null) : JSON.stringify(call.json),
      signal: call.signal ?? null,
      cache: "no-store",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem("unreachable", 0, "");
  }
  if (answer.ok || answer.status === 304) return answer;
  throw await problemOf(answer);
}

async function fetchJson<T>(path: string, call: Call = {}): Promise<T> {
  return (await (await send(path, call)).json()) as T;
}

function query(values: Record<string, string | number | undefined | null>): string {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const pairs = entries.map(([key, value]) => [key, String(value)] as [string, string]);
  return pairs.length ? `?${new URLSearchParams(pairs).toString()}` : "";
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

const of = (diagram: string): string => `/diagrams/${encodeURIComponent(diagram)}`;

const link = (kind: string, secret: string): string => `/${kind}/${encodeURIComponent(secret)}`;

export const api = {
  me: () => fetchJson<Me>("/me"),
  login: (email: string, password: string) => send("/auth/login", { method: "POST", json: { email, password } }),
  register: (email: string, password: string, name: string) =>
    send("/auth/register", { method: "POST", json: { email, password, name } }),
  logout: () => send("/auth/logout", { method: "POST" }),
  methods: () => fetchJson<Methods>("/auth/methods"),

  shareLink: (secret: string) => fetchJson<ShareLink>(link("share-links", secret)),
  openShareLink: (secret: string, password?: string) =>
    fetchJson<{ url: string }>(`${link("share-links", secret)}/open`, { method: "POST", json: { password } }),
  invitation: (secret: string) => fetchJson<Invitation>(link("invitations", secret)),
  accept: (secret: string, account: { name?: string; password?: string }) =>
    send(`${link("invitations", secret)}/accept`, { method: "POST", json: account }),
  resetLink: (secret: string) => fetchJson<{ email: string }>(link("reset-links", secret)),
  resetPassword: (secret: string, password: string) =>
    send(link("reset-links", secret), { method: "POST", json: { password } }),

  /** A page of the list; null when nothing changed since `etag`. */
  async diagrams(options: {
    q?: string;
    org?: string | undefined;
    cursor?: string | null;
    etag?: string | null;
    deleted?: boolean;
    signal?: AbortSignal;
  }): Promise<{ page: Page<Diagram>; etag: string | null } | null> {
    const { q, org, cursor, etag, signal } = options;
    const answer = await send(`/diagrams${query({ q, org, cursor, deleted: options.deleted ? "true" : null })}`, {
      ...(etag ? { ifNoneMatch: etag } : {}),
      ...(signal ? { signal } : {}),
    });
    if (answer.status === 304) return null;
    return { page: (await answer.json()) as Page<Diagram>, etag: answer.headers.get("etag") };
  },
  createDiagram: (title: string, org?: string) =>
    fetchJson<Diagram>(`/diagrams${query({ org })}`, { method: "POST", json: { title } }),
  importDiagram: (title: string, xml: Blob, org?: string) =>
    fetchJson<Diagram>(`/diagrams${query({ title, org })}`, { method: "POST", body: xml, type: "application/xml" }),
  diagram: (id: string) => fetchJson<Diagram>(of(id)),
  rename: (id: string, title: string) => fetchJson<Diagram>(of(id), { method: "PATCH", json: { title } }),
  remove: (id: string) => send(of(id), { method: "DELETE" }),
  undelete: (id: string) => fetchJson<Diagram>(`${of(id)}/undelete`, { method: "POST" }),
  /** Work on a replica of an ended epoch, onto the present one. `update`: a Yjs update that holds it. */
  replay: (id: string, epoch: number, update: Uint8Array) =>
    fetchJson<{ applied: number; left: number }>(`${of(id)}/replay${query({ epoch })}`, {
      method: "POST",
      json: { update: base64(update) },
    }),
  ticket: (id: string) => fetchJson<Ticket>(`${of(id)}/ticket`, { method: "POST" }),

  content: async (id: string, version: number | "live"): Promise<Blob> =>
    (await send(`${of(id)}/content?version=${version}`)).blob(),

  versions: (id: string, cursor?: string | null) => fetchJson<Page<Version>>(`${of(id)}/versions${query({ cursor })}`),
  makeVersion: (id: string, message: string) =>
    fetchJson<Version>(`${of(id)}/versions`, { method: "POST", json: message ? { message } : {} }),
  changeVersion: (id: string, version: number, change: { name?: string | null; pinned?: boolean }) =>
    fetchJson<Version>(`${of(id)}/versions/${version}`, { method: "PATCH", json: change }),
  restore: (id: string, version: number) => send(`${of(id)}/versions/${version}/restore`, { method: "POST" }),
};
