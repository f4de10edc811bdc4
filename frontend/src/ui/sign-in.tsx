// `/` for somebody who is not signed in: sign in, or make an account and be signed in at once.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, type Methods } from "../api.ts";
import { Mark } from "./icons.tsx";
import { plain } from "./problems.ts";
import { loadMe } from "./session.ts";
import { words } from "./words.ts";

/** Somebody opened a one-time sign-in link that is spent. */
const linkUsed = new URLSearchParams(location.search).get("link") === "used";
/** Somebody comes back from the provider, and is not signed in. */
const turnedBack = new URLSearchParams(location.search).get("signin");
const reasons: Record<string, string> = words.provider.reasons;

type Mode = "signIn" | "register";

export function Name({ value, set }: { value: string; set: (value: string) => void }) {
  return (
    <label class="field">
      <span>{words.fields.name}</span>
      <input
        type="text"
        autocomplete="name"
        required
        maxLength={200}
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
      />
      <small class="hint">{words.fields.nameHint}</small>
    </label>
  );
}

export function Password({ fresh, value, set }: { fresh: boolean; value: string; set: (value: string) => void }) {
  const [shown, setShown] = useState(false);
  const kind: { type: "text" } | { type: "password" } = shown ? { type: "text" } : { type: "password" };
  return (
    <div class="field">
      <label for="password">{words.fields.password}</label>
      <div class="field-with-button">
        <input
          id="password"
          {...kind}
          autocomplete={fresh ? "new-password" : "current-password"}
          minLength={fresh ? 12 : 1}
          required
          value={value}
          aria-describedby={fresh ? "password-hint" : undefined}
          onInput={(event) => set(event.currentTarget.value)}
        />
        <button type="button" class="field-button" aria-pressed={shown} onClick={() => setShown(!shown)}>
          {shown ? words.fields.hide : words.fields.show}
        </button>
      </div>
      {fresh && (
        <small id="password-hint" class="hint">
          {words.fields.passwordHint}
        </small>
      )}
    </div>
  );
}

function Form({ mode }: { mode: Mode }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const fresh = mode === "register";
  const texts = words[mode];

  const submit = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      if (fresh) await api.register(email.trim(), password, name.trim());
      await api.login(email.trim(), password);
      await loadMe();
    } catch (error) {
      setProblem(plain(error));
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
      {fresh && <Name value={name} set={setName} />}
      <label class="field">
        <span>{words.fields.email}</span>
        <input
          type="email"
          autocomplete="username"
          required
          maxLength={254}
          value={email}
          onInput={(event) => setEmail(event.currentTarget.value)}
        />
      </label>
      <Password fresh={fresh} value={password} set={setPassword} />
      <p class="form-problem" role="alert">
        {problem}
      </p>
      <button type="submit" class="button button-main button-wide" disabled={busy} aria-busy={busy}>
        {texts.button}
      </button>
    </form>
  );
}

export function SignIn({ note }: { note?: string }) {
  const [mode, setMode] = useState<Mode>("signIn");
  const [methods, setMethods] = useState<Methods>({ registration: true, oidc: null });
  const heading = useRef<HTMLHeadingElement>(null);
  const texts = words[mode];
  useEffect(() => {
    document.title = `${texts.button} · ${words.product}`;
    heading.current?.parentElement?.querySelector<HTMLInputElement>("form input")?.focus();
  }, [mode]);

  useEffect(() => {
    api.methods().then(setMethods, () => undefined); // then passwords it is
  }, []);
  const said =
    note ??
    (linkUsed ? words.signIn.linkUsed : turnedBack === null ? null : (reasons[turnedBack] ?? words.problems.other));

  return (
    <div class="sign-in">
      <aside class="sign-in-about">
        <div class="brand">
          <Mark size={36} />
          <strong>{words.product}</strong>
        </div>
        <p class="sign-in-tagline">{words.tagline}</p>
        <ul>
          {words.features.map(([title, text]) => (
            <li key={title}>
              <strong>{title}</strong>
              <span>{text}</span>
            </li>
          ))}
        </ul>
      </aside>
      <main class="sign-in-main">
        <div class="sign-in-card">
          <h1 ref={heading}>{texts.title}</h1>
          <p class="lead">{texts.lead}</p>
          {said !== null && (
            <p class="sign-in-note" role="status">
              {said}
            </p>
          )}
          <Form key={mode} mode={mode} />
          {methods.oidc && (
            <a class="button button-wide" href={methods.oidc.url}>
              {words.provider.button(methods.oidc.name)}
            </a>
          )}
          {methods.registration && (
            <p class="sign-in-other">
              {texts.other}{" "}
              <button type="button" class="link" onClick={() => setMode(mode === "signIn" ? "register" : "signIn")}>
                {texts.otherButton}
              </button>
            </p>
          )}
        </div>
      </main>
    </div>
  );
}
