"""Which records hang on the root, and what happens to those that do not: the first rules.

`record`  what cannot be read is left out;
`root`    there is one root;
`cycle`   nobody is inside itself: the smallest key of the ring goes home;
`parent`  flow elements and artifacts of a deleted container climb to the nearest one that may hold them; owned values
          die with their owner.
Mirror of frontend/src/document/view/reach.ts.
"""

from collab.bpmn.records import Record
from collab.bpmn.repair.draft import WALK, Draft, flagged, parent_of
from collab.bpmn.repair.names import is_tag
from collab.bpmn.repair.places import above, attach, climbs, grow, home


def reach(draft: Draft) -> None:
    """Settles who is shown and under whom."""
    for key, record in list(draft.nodes.items()):
        if not _readable(record):
            del draft.nodes[key]
            draft.report("record", key, f"record {key} left out: it cannot be read")
        elif not flagged(record.get("d")) and (parent := parent_of(record)) is not None:
            draft.below.setdefault(parent, []).append(key)
    _find_root(draft)
    if not draft.root:
        return
    draft.parents[draft.root] = ""
    grow(draft, draft.root, 0)
    lost = [key for key, record in draft.nodes.items() if key not in draft.parents and not flagged(record.get("d"))]
    for key in _rings(draft, lost):
        _unring(draft, key)
    for key in lost:
        _climb(draft, _top(draft, key))
        _climb(draft, key)


def _readable(record: Record) -> bool:
    tag, p = record.get("t"), record.get("p")
    if not isinstance(tag, str) or not is_tag(tag):
        return False
    return p is None or (isinstance(p, list) and len(p) >= 1 and (p[0] is None or isinstance(p[0], str)))


def _find_root(draft: Draft) -> None:
    named = draft.meta.get("root")
    if isinstance(named, str) and named in draft.nodes:
        draft.root = named
        return
    found = [key for key in draft.nodes if draft.kind(key) == "definitions"]
    if found:
        draft.root = next((key for key in found if parent_of(draft.nodes[key]) not in draft.nodes), found[0])
        draft.report("root", draft.root, f"{draft.called(draft.root)} taken as the root: the document names none")


def _rings(draft: Draft, lost: list[str]) -> list[str]:
    """The smallest live key of each ring of parents."""
    nodes, seen, found = draft.nodes, set[str](), list[str]()
    for start in lost:
        path: list[str] = []
        on_path: set[str] = set()
        at: str | None = start
        while at is not None and at in nodes and at not in seen and at not in on_path:
            path.append(at)
            on_path.add(at)
            at = parent_of(nodes[at])
        if at in on_path:
            live = [key for key in path[path.index(str(at)) :] if not flagged(nodes[key].get("d"))]
            found += [min(live)] if live else []
        seen |= on_path
    return sorted(found)


def _unring(draft: Draft, key: str) -> None:
    to = home(draft, key)
    if key in draft.parents or to is None:
        return
    attach(draft, key, to)
    called, where = draft.called(key), draft.called(to)
    draft.report("cycle", key, f"{called} moved to {where}: it had been moved into its own content", to)


def _top(draft: Draft, key: str) -> str:
    """The highest live ancestor below the deleted one: what hangs together climbs together."""
    for _ in range(WALK):
        parent = parent_of(draft.nodes[key])
        upper = draft.nodes.get(parent) if parent is not None else None
        if parent is None or upper is None or flagged(upper.get("d")) or parent in draft.parents:
            break
        key = parent
    return key


def _climb(draft: Draft, key: str) -> None:
    if key in draft.parents or not climbs(draft.kind(key)):
        return
    gone = parent_of(draft.nodes[key])
    to = above(draft, key, gone)
    why = f"{draft.called(gone or '')}, which held it, {draft.gone(gone or '')}"
    if to is None:
        draft.report("parent", key, f"{draft.called(key)} hidden: {why}", gone)
        return
    attach(draft, key, to)
    draft.report("parent", key, f"{draft.called(key)} moved to {draft.called(to)}: {why}", gone)
