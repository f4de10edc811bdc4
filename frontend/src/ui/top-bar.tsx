// The bar above the list: mark, search, organization, account.
import type { ComponentChildren } from "preact";
import { Avatar, colorOf } from "./avatar.tsx";
import { Mark, SignOut, Trash } from "./icons.tsx";
import { Menu } from "./menu.tsx";
import { go } from "./route.ts";
import { me, organization, signOut } from "./session.ts";
import { refresh } from "./shelf.ts";
import { tellProblem } from "./toast.tsx";
import { words } from "./words.ts";

function Organizations() {
  const orgs = me.value?.orgs ?? [];
  if (orgs.length < 2) return null;
  return (
    <select
      class="select"
      aria-label={words.list.organization}
      value={organization.value ?? orgs[0]?.id ?? ""}
      onChange={(event) => {
        organization.value = event.currentTarget.value;
        void refresh(true);
      }}
    >
      {orgs.map((org) => (
        <option key={org.id} value={org.id}>
          {org.name}
        </option>
      ))}
    </select>
  );
}

function Account() {
  const user = me.value;
  if (!user) return null;
  const face = { id: user.id, name: user.name, color: user.color ?? colorOf(user.id) };
  return (
    <Menu
      class="account"
      label={words.list.account(user.name)}
      button={<Avatar face={face} />}
      header={
        <div class="menu-header">
          <strong>{user.name}</strong>
          <span>{user.email}</span>
        </div>
      }
      choices={[
        { label: words.list.trashLink, icon: <Trash />, run: () => go("/?deleted") },
        { label: words.list.signOut, icon: <SignOut />, run: () => void signOut().catch(tellProblem) },
      ]}
    />
  );
}

export function TopBar({ children }: { children?: ComponentChildren }) {
  return (
    <header class="top-bar">
      <a class="brand" href="/" aria-label={`${words.product}: ${words.list.title}`}>
        <Mark />
        <strong>{words.product}</strong>
      </a>
      <div class="top-bar-middle">{children}</div>
      <Organizations />
      <Account />
    </header>
  );
}
