"""Where a node may stand: legal containers, the way up from a deleted one, attaching what hung loose.

Mirror of frontend/src/document/view/places.ts.
"""

from functools import cache
from typing import Final

from collab.bpmn import grammar
from collab.bpmn.repair.draft import WALK, Draft, parent_of

DEEPEST: Final = 256  # the import refuses 200; what merges make deeper is left out
_CLIMBING: Final = ("flowElement", "artifact", "conversationNode")
_OTHERS: Final = ("lane", "participant", "messageFlow", "conversationLink")


@cache
def climbs(kind: str) -> bool:
    """May this kind live in another container when its own is gone?"""
    return kind in _OTHERS or any(kind in grammar.members(head) for head in _CLIMBING)


def holds(draft: Draft, key: str, kind: str) -> bool:
    """May this node have children of that kind? Nobody ("" is above the root) may."""
    known = grammar.shape(draft.kind(key)) if key in draft.nodes else None
    return known is not None and kind in known.ranks


def attach(draft: Draft, key: str, parent: str) -> None:
    """Shows a node under a parent, with everything live in it."""
    draft.show(key, parent)
    depth = 1
    while (parent := draft.parents.get(parent, "")) and depth < WALK:
        depth += 1
    grow(draft, key, depth)


def grow(draft: Draft, top: str, depth: int) -> None:
    """Shows everything live under a node that is shown."""
    open_ = [(top, depth)]
    while open_:
        at, deep = open_.pop()
        for key in draft.below.get(at, ()):
            if key in draft.parents:
                continue
            if deep >= DEEPEST:
                draft.report("record", key, f"{draft.called(key)} left out: nested too deep")
                continue
            draft.show(key, at)
            open_.append((key, deep + 1))


def home(draft: Draft, key: str) -> str | None:
    """Where a node goes whose containers are gone: its home, else the first process that may hold it."""
    kind = draft.kind(key)
    p = draft.nodes[key].get("p")
    named = p[2] if isinstance(p, list) and len(p) > 2 else None
    if isinstance(named, str) and named in draft.parents and holds(draft, named, kind):
        return named
    return next((k for k in draft.of("process") if holds(draft, k, kind)), None)


def above(draft: Draft, key: str, start: str | None) -> str | None:
    """The nearest shown container from `start` upwards that may hold this node, else its home."""
    kind, at = draft.kind(key), start
    for _ in range(WALK):
        if at is None or at not in draft.nodes:
            break
        if at in draft.parents and holds(draft, at, kind):
            return at
        at = draft.parents.get(at) or parent_of(draft.nodes[at])
    return home(draft, key)
