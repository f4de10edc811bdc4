"""The pure view: records in, a valid diagram out, with the list of what had to be shown otherwise.

`view` is a function of the records alone: same records, same tree and same repairs, in Python here and in TypeScript in
frontend/src/document/view.ts; tests/fixtures/vectors/*.json hold both to one answer. Repairs are never written into the
document: undo needs what they hide. What a file broke already when it was imported is left alone: `quirks` says what
that is, the import stores it (`qk`), and a rule stays quiet while what it read is unchanged.
"""

from collab.bpmn.records import Record, Snapshot, Value
from collab.bpmn.repair.attributes import attributes, defaults, identities
from collab.bpmn.repair.canonical import text_of
from collab.bpmn.repair.content import content
from collab.bpmn.repair.derive import derive
from collab.bpmn.repair.draft import Draft, Repair
from collab.bpmn.repair.drawn import drawn, twice
from collab.bpmn.repair.finish import Finish, View, outside
from collab.bpmn.repair.pools import pools
from collab.bpmn.repair.reach import reach
from collab.bpmn.repair.sound import beside_host, drain, keep_definitions, settle
from collab.bpmn.tree import Node, Tree

__all__ = ["Repair", "View", "canonical", "quirks", "shown", "tree", "view"]

BLANK_ROOT = {
    "xmlns": "http://www.omg.org/spec/BPMN/20100524/MODEL",
    "targetNamespace": "",
}


def view(snapshot: Snapshot) -> View:
    """The diagram as everybody sees it."""
    draft = _settled(Draft(snapshot))
    finish = Finish(draft)
    if draft.root:
        root = finish.build(draft.root, {})
        derive(finish, root)
    else:
        root = Node("definitions", dict(BLANK_ROOT), [])
        draft.report("root", "", "the document holds no diagram")
    return View(
        declaration=_declaration(snapshot.meta.get("decl")),
        prolog=outside(snapshot.meta.get("pro")),
        root=root,
        epilog=outside(snapshot.meta.get("epi")),
        repairs=draft.repairs,
        nodes=finish.nodes,
        kinds={key: draft.kind(key) for key in finish.nodes},
    )


def shown(snapshot: Snapshot) -> tuple[Snapshot, dict[str, str]]:
    """The same diagram as records instead of a tree, and the kind of each: for whoever edits what is seen without a page."""
    draft = _settled(Draft(snapshot))
    nodes: dict[str, Record] = {}
    for key, parent in draft.parents.items():
        record = draft.nodes[key] | draft.changed.get(key, {}) | {"t": draft.tag(key), "d": None}
        placed = record.get("p")
        record["p"] = [parent, *(placed[1:] if isinstance(placed, list) else ())] if parent else None
        nodes[key] = {name: value for name, value in sorted(record.items()) if value is not None}
    return Snapshot({**snapshot.meta, "root": draft.root}, nodes), {key: draft.kind(key) for key in nodes}


def quirks(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    """What would be repaired in a freshly imported file: key -> rule -> hash of what the rule read."""
    bare = {key: {n: v for n, v in record.items() if n != "qk"} for key, record in snapshot.nodes.items()}
    return _settled(Draft(Snapshot(snapshot.meta, bare), learning=True)).quirks


def tree(seen: View) -> Tree:
    """What the writer writes."""
    return Tree(declaration=seen.declaration, root=seen.root, prolog=seen.prolog, epilog=seen.epilog)


def canonical(seen: View) -> str:
    """The view as canonical JSON; the vectors compare it."""
    repairs = [[r.rule, r.key, r.id, r.text, r.other] for r in seen.repairs]
    declaration = None if seen.declaration is None else list(seen.declaration)
    around = {"prolog": [_plain(n) for n in seen.prolog], "epilog": [_plain(n) for n in seen.epilog]}
    return text_of({"declaration": declaration, "root": _plain(seen.root), "repairs": repairs} | around)


def _plain(node: Node) -> dict[str, object]:
    made: dict[str, object] = {"tag": node.tag}
    if node.key is not None:
        made["key"] = node.key
    if node.attributes:
        made["attributes"] = node.attributes
    if node.children:
        made["children"] = [_plain(child) for child in node.children]
    if not node.is_element:
        made["text"] = node.text
    if node.cdata is not None:
        made["cdata"] = [list(pair) for pair in node.cdata]
    return made


def _declaration(decl: Value | None) -> tuple[str, str | None, str | None] | None:
    if not isinstance(decl, list) or not decl or not isinstance(decl[0], str):
        return None
    encoding, standalone = (part if isinstance(part, str) and part else None for part in [*decl[1:3], "", ""][:2])
    return (decl[0], encoding, standalone)


def _settled(draft: Draft) -> Draft:
    """The rules, in their order."""
    reach(draft)
    if not draft.root:
        return draft
    content(draft)
    keep_definitions(draft)
    settle(draft)
    beside_host(draft)
    pools(draft)
    twice(draft)
    drain(draft)
    defaults(draft)
    drawn(draft)
    attributes(draft)
    drain(draft)
    identities(draft)
    return draft
