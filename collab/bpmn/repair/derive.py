"""incoming, outgoing and flowNodeRef: not stored where they follow from the flows and the lane registers.

`flows`  a literal entry whose flow ends here no longer hides; missing ones are added, if that is the file's habit
         (`meta.io`);
`lane`   the same for lanes (`meta.lref`); membership in a lane that is not shown is ignored.
Both are plain consequences of other edits and are not reported. Mirror of frontend/src/document/view/derive.ts.
"""

from collections.abc import Iterator
from functools import cache

from collab.bpmn.grammar import members, shape
from collab.bpmn.records import Value
from collab.bpmn.repair.draft import Draft, target
from collab.bpmn.repair.finish import Finish
from collab.bpmn.tree import Node


@cache
def flow_nodes() -> frozenset[str]:
    """The kinds that flows may join."""
    return frozenset(k for k in members("flowElement") if (known := shape(k)) and "incoming" in known.ranks)


def derive(finish: Finish, root: Node) -> None:
    """Completes the lists of all flow nodes and lanes."""
    draft = finish.draft
    ends: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    members_of: dict[str, list[tuple[str, str]]] = {}
    kinds = flow_nodes()
    for node in _walk(root):
        if node.key is None:
            continue
        kind = draft.kind(node.key)
        if kind == "sequenceFlow":
            for side, name in zip(ends, ("@targetRef", "@sourceRef"), strict=True):
                if (to := target(draft.value(node.key, name))) is not None:
                    side.setdefault(to, []).append(node.key)
        for name, value in draft.nodes[node.key].items() if kind in kinds else ():
            if name[:2] == "l:" and (entry := _strings(value)) and draft.nodes.get(entry[0]) is not None:
                members_of.setdefault(entry[0], []).append((entry[1] if len(entry) > 1 else "", node.key))
    for key, node in finish.nodes.items():
        kind = draft.kind(key)
        if kind in kinds:
            habit = draft.nodes[key].get("ioo")
            _flows(finish, node, "incoming", ends[0].get(key, []), _order(habit, "in"))
            _flows(finish, node, "outgoing", ends[1].get(key, []), _order(habit, "out"))
        elif kind == "lane":
            _lane(finish, node, sorted(members_of.get(key, [])))


def _walk(root: Node) -> Iterator[Node]:
    open_ = [root]
    while open_:
        node = open_.pop()
        yield node
        open_ += reversed(node.children)


def _strings(value: Value | None) -> list[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []


def _order(habit: Value | None, side: str) -> tuple[list[str], list[str]]:
    """The order the file had, and the flows it did not list."""
    return (_strings(habit.get(side)), _strings(habit.get("om"))) if isinstance(habit, dict) else ([], [])


def _literal(draft: Draft, node: Node, kind: str, here: set[str]) -> set[str]:
    """Drops entries that no longer hold; says which hold."""
    held: set[str] = set()
    kept = []
    for child in node.children:
        if child.key is not None and draft.kind(child.key) == kind:
            to = target(draft.nodes[child.key].get("x"))
            if to is not None and to not in here:
                continue
            if to is not None:
                held.add(to)
        kept.append(child)
    node.children = kept
    return held


def _flows(finish: Finish, node: Node, kind: str, flows: list[str], habit: tuple[list[str], list[str]]) -> None:
    draft = finish.draft
    here = set(flows)
    held = _literal(draft, node, kind, here)
    if not flows or draft.meta.get("io") != "all":
        return
    first, omitted = habit
    ordered = list(dict.fromkeys([flow for flow in first if flow in here] + flows))
    _insert(finish, node, kind, [flow for flow in ordered if flow not in held and flow not in omitted])


def _lane(finish: Finish, node: Node, entries: list[tuple[str, str]]) -> None:
    draft = finish.draft
    here = [key for _, key in entries]
    held = _literal(draft, node, "flowNodeRef", set(here))
    if draft.meta.get("lref") != "none":
        _insert(finish, node, "flowNodeRef", [key for key in here if key not in held])


def _insert(finish: Finish, node: Node, kind: str, keys: list[str]) -> None:
    """Puts derived entries after everything of lower or equal rank; what has no id cannot be listed."""
    draft = finish.draft
    keys = [key for key in keys if isinstance(draft.value(key, "@id"), str)]
    if not keys or node.key is None:
        return
    known = shape(draft.kind(node.key))
    ranks = known.ranks if known else {}
    rank, at = ranks.get(kind, 0), len(node.children)
    while at:
        before = node.children[at - 1]
        held = ranks.get(draft.kind(before.key) if before.key else _derived_kind(before))
        if held is not None and held <= rank:
            break
        at -= 1
    prefix, colon, _ = node.tag.partition(":")
    tag = f"{prefix}:{kind}" if colon else kind
    node.children[at:at] = [Node(tag, {}, [Node("#", {}, [], finish.identity(key))]) for key in keys]


def _derived_kind(node: Node) -> str:
    return node.tag.rpartition(":")[2]
