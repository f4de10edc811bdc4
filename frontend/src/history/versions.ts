// The versions of one diagram as the panel holds them: newest first, more on demand, again when the server says so.
import { useEffect, useState } from "preact/hooks";
import { api, type Version } from "../api.ts";
import type { Connection } from "../connection/connection.ts";
import { noticeSignedOut } from "../ui/session.ts";

export interface Versions {
  list: Version[] | null;
  problem: unknown;
  older: boolean;
  reload: () => Promise<void>;
  more: () => Promise<void>;
  put: (version: Version) => void;
}

const byNumber = (a: Version, b: Version): number => b.version - a.version;

export function merge(known: Version[], fresh: Version[]): Version[] {
  const all = new Map(known.map((item) => [item.version, item]));
  for (const item of fresh) all.set(item.version, item);
  return [...all.values()].sort(byNumber);
}

export function useVersions(id: string, connection: Connection): Versions {
  const [list, setList] = useState<Version[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const fetchPage = async (at: string | null): Promise<void> => {
    try {
      const page = await api.versions(id, at);
      setProblem(null);
      setList((known) => merge(known ?? [], page.items));
      setCursor((now) => (at !== null || now === null ? page.next_cursor : now));
    } catch (error) {
      noticeSignedOut(error);
      setProblem(error);
    }
  };
  const reload = (): Promise<void> => fetchPage(null);
  useEffect(() => {
    void reload();
    return connection.onNotice(({ event }) => {
      if (event === "version") void reload();
    });
  }, [id, connection]);
  return {
    list,
    problem,
    older: cursor !== null,
    reload,
    more: () => fetchPage(cursor),
    put: (version) => setList((known) => merge(known ?? [], [version])),
  };
}
