// What a link leads to that somebody was given: into a diagram, into an organization, to a new password.
import { useEffect, useState } from "preact/hooks";
import { api, Problem, type Invitation } from "../api.ts";
import { Blank, Trouble } from "./blank.tsx";
import { plain } from "./problems.ts";
import { go, type LinkKind } from "./route.ts";
import { loadMe, me, visitor } from "./session.ts";
import { Name, Password, SignIn } from "./sign-in.tsx";
import { words } from "./words.ts";

type Work = (values: { name: string; password: string }) => Promise<void>;

/** A form with a password in it, and what goes wrong. */
function Ask(props: { button: string; named?: boolean; fresh: boolean; work: Work }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await props.work({ name: name.trim(), password });
    } catch (error) {
      const wrong = error instanceof Problem && error.code === "bad_credentials" && !props.fresh;
      setProblem(wrong ? words.links.wrongPassword : plain(error));
      setBusy(false);
    }
  };
  return (
    <form
      class="sign-in-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) void submit();
      }}
    >
      {props.named && <Name value={name} set={setName} />}
      <Password fresh={props.fresh} value={password} set={setPassword} />
      <p class="form-problem" role="alert">
        {problem}
      </p>
      <button type="submit" class="button button-main button-wide" disabled={busy} aria-busy={busy}>
        {props.button}
      </button>
    </form>
  );
}

function Card(props: { title: string; lead: string; children: preact.ComponentChildren }) {
  useEffect(() => {
    document.title = `${props.title} · ${words.product}`;
  }, [props.title]);
  return (
    <main class="sign-in-main">
      <div class="sign-in-card">
        <h1>{props.title}</h1>
        <p class="lead">{props.lead}</p>
        {props.children}
      </div>
    </main>
  );
}

const Gone = () => (
  <Blank title={words.links.goneTitle} lead={words.links.goneLead}>
    <a class="button" href="/">
      {words.list.back}
    </a>
  </Blank>
);

const isGone = (error: unknown): boolean => error instanceof Problem && error.status === 404;

/** What the server says of a link, once. */
function useFound<T>(find: () => Promise<T>, key: string): { found: T | null; problem: unknown; again: () => void } {
  const [found, setFound] = useState<T | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const again = (): void => {
    setProblem(null);
    find().then(setFound, setProblem);
  };
  useEffect(again, [key]);
  return { found, problem, again };
}

function Share({ secret }: { secret: string }) {
  const { found, problem, again } = useFound(() => api.shareLink(secret), secret);
  const [refused, setRefused] = useState<unknown>(null);
  const someone = me.value !== null && me.value !== visitor;
  const mayOpen = found !== null && (someone || found.role === "viewer");
  const open: Work = async ({ password }) => {
    const { url } = await api.openShareLink(secret, password || undefined);
    if (!someone) me.value = undefined; // until we have asked as whom they are here now
    go(url, true);
    await loadMe();
  };
  useEffect(() => {
    if (mayOpen && !found.has_password) open({ name: "", password: "" }).catch(setRefused);
  }, [mayOpen]);
  const trouble = problem ?? refused;
  if (trouble !== null) return isGone(trouble) ? <Gone /> : <Trouble problem={trouble} again={again} />;
  if (found === null) return null;
  if (!mayOpen) return <SignIn note={words.links.signInToOpen} />;
  if (!found.has_password) return null;
  return (
    <Card title={words.links.passwordTitle} lead={words.links.passwordLead}>
      <Ask button={words.links.open} fresh={false} work={open} />
    </Card>
  );
}

function Join({ secret, found }: { secret: string; found: Invitation }) {
  const [signIn, setSignIn] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const someone = me.value && me.value !== visitor ? me.value : null;
  const title = words.links.joinTitle(found.organization);
  const arrive = async (): Promise<void> => {
    go("/", true);
    await loadMe();
  };
  if (someone === null) {
    if (signIn) return <SignIn note={words.links.signInToJoin(found.email)} />;
    return (
      <Card title={title} lead={words.links.joinLead(found.email, found.role)}>
        <Ask
          button={words.links.makeAccountAndJoin}
          named
          fresh
          work={async ({ name, password }) => {
            await api.accept(secret, { name, password });
            await api.login(found.email, password);
            await arrive();
          }}
        />
        <p class="sign-in-other">
          {words.links.haveAccount}{" "}
          <button type="button" class="link" onClick={() => setSignIn(true)}>
            {words.signIn.button}
          </button>
        </p>
      </Card>
    );
  }
  if (someone.email !== found.email)
    return <Blank title={title} lead={words.links.otherAddress(found.email, someone.email)} />;
  return (
    <Card title={title} lead={words.links.joinLead(found.email, found.role)}>
      <p class="form-problem" role="alert">
        {problem}
      </p>
      <button
        type="button"
        class="button button-main button-wide"
        onClick={() => {
          api
            .accept(secret, {})
            .then(arrive)
            .catch((error: unknown) => setProblem(plain(error)));
        }}
      >
        {words.links.join}
      </button>
    </Card>
  );
}

function Invited({ secret }: { secret: string }) {
  const { found, problem, again } = useFound(() => api.invitation(secret), secret);
  if (problem !== null) return isGone(problem) ? <Gone /> : <Trouble problem={problem} again={again} />;
  return found && <Join secret={secret} found={found} />;
}

function Reset({ secret }: { secret: string }) {
  const { found, problem, again } = useFound(() => api.resetLink(secret), secret);
  if (problem !== null) return isGone(problem) ? <Gone /> : <Trouble problem={problem} again={again} />;
  if (found === null) return null;
  return (
    <Card title={words.links.resetTitle} lead={words.links.resetLead(found.email)}>
      <Ask
        button={words.links.reset}
        fresh
        work={async ({ password }) => {
          await api.resetPassword(secret, password);
          await api.login(found.email, password);
          go("/", true);
          await loadMe();
        }}
      />
    </Card>
  );
}

export function LinkPage({ kind, secret }: { kind: LinkKind; secret: string }) {
  if (kind === "share") return <Share secret={secret} />;
  return kind === "invitation" ? <Invited secret={secret} /> : <Reset secret={secret} />;
}
