// The pure view: records in, the XML-shaped tree out, with the list of what had to be shown otherwise. Never writes, knows no yjs.
// The same function is collab/bpmn/repair/ in Python; tests/fixtures/vectors/*.json hold both to one answer.
import { attributes, defaults, identities } from "./view/attributes.ts";
import { textOf } from "./view/bytes.ts";
import { content } from "./view/content.ts";
import { Draft } from "./view/draft.ts";
import { drawn, twice } from "./view/drawn.ts";
import { pools } from "./view/pools.ts";
import { besideHost, drain, keepDefinitions, settle } from "./view/sound.ts";
import { finish } from "./view/tree.ts";
import { reach } from "./view/reach.ts";
import type { Snapshot, View, ViewNode } from "./view/types.ts";

export type { Json, Rec, Repair, Snapshot, View, ViewNode } from "./view/types.ts";
export { compare } from "./view/bytes.ts";

export function view(snapshot: Snapshot): View {
  const draft = new Draft(snapshot);
  settled(draft);
  return finish(draft);
}

/** The rules, in their order. */
function settled(draft: Draft): void {
  reach(draft);
  if (draft.root === "") return;
  content(draft);
  keepDefinitions(draft);
  settle(draft);
  besideHost(draft);
  pools(draft);
  twice(draft);
  drain(draft);
  defaults(draft);
  drawn(draft);
  attributes(draft);
  drain(draft);
  identities(draft);
}

/** The view as canonical JSON, as collab/bpmn/repair writes it; the vectors compare it. */
export function canonical(seen: View): string {
  const repairs = seen.repairs.map(({ rule, key, id, text, other }) => [rule, key, id, text, other]);
  const { declaration, root, prolog, epilog } = seen;
  return textOf({ declaration, root: plain(root), repairs, prolog: prolog.map(plain), epilog: epilog.map(plain) });
}

function plain(node: ViewNode): object {
  return {
    tag: node.tag,
    ...(node.key !== null && { key: node.key }),
    ...(node.attributes.length > 0 && { attributes: Object.fromEntries(node.attributes) }),
    ...(node.children.length > 0 && { children: node.children.map(plain) }),
    ...(["#", "!", "?"].includes(node.tag.charAt(0)) && { text: node.text ?? "" }),
    ...(node.cdata && { cdata: node.cdata }),
  };
}
