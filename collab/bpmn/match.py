"""Which element of one file is which of another: by id, then by place, name and content.

So that a file edited in another tool comes back as an edit of the same records, not as a new diagram. Pure; called by
diff.py. Both sides are snapshots as the import makes them.
"""

from collections.abc import Callable, Iterator

from collab.bpmn.imports import kind_of
from collab.bpmn.records import Record, Snapshot, Value

Children = dict[str, list[str]]


def children_of(snapshot: Snapshot) -> Children:
    """Keys of children by parent, in the order of their indices."""
    found: Children = {}
    for key in sorted(snapshot.nodes, key=lambda k: (_index(snapshot.nodes[k]), k)):
        parent = parent_of(snapshot.nodes[key])
        if parent is not None:
            found.setdefault(parent, []).append(key)
    return found


def parent_of(record: Record) -> str | None:
    """The parent a record names."""
    p = record.get("p")
    return str(p[0]) if isinstance(p, list) and p else None


def _index(record: Record) -> str:
    p = record.get("p")
    return str(p[1]) if isinstance(p, list) and len(p) > 1 else ""


def match(base: Snapshot, other: Snapshot) -> dict[str, str]:
    """Keys of `other` -> keys of `base`, one to one; what is new is missing."""
    ids: dict[str, str] = {}
    for key, record in base.nodes.items():
        id_ = record.get("@id")
        if isinstance(id_, str):
            ids[id_] = "" if id_ in ids else key
    below, beside = children_of(base), children_of(other)
    roots = (str(base.meta["root"]), str(other.meta["root"]))
    found: dict[str, str] = {roots[1]: roots[0]}
    used = {roots[0]}
    for key in _down(roots[1], beside):
        id_ = other.nodes[key].get("@id")
        known = ids.get(id_, "") if isinstance(id_, str) else ""
        if known and known not in used and key not in found:
            found[key] = known
            used.add(known)
    seals = (_Seals(base, below), _Seals(other, beside))
    for key in _down(roots[1], beside):
        if key in found:
            _pair(below.get(found[key], []), beside.get(key, []), seals, found, used)
    return found


def _down(root: str, children: Children) -> Iterator[str]:
    open_ = [root]
    while open_:
        key = open_.pop()
        yield key
        open_ += reversed(children.get(key, []))


def _pair(
    olds: list[str], news: list[str], seals: "tuple[_Seals, _Seals]", found: dict[str, str], used: set[str]
) -> None:
    """Children of parents that match: equal content first, then the same name (and id, if any) in the same order."""
    for exact in (True, False):
        sealed: list[Callable[[str], object]] = [one.of if exact else one.name for one in seals]
        waiting: dict[object, list[str]] = {}
        for key in olds:
            if key not in used:
                waiting.setdefault(sealed[0](key), []).append(key)
        for key in news:
            same = None if key in found else waiting.get(sealed[1](key))
            if same:
                found[key] = same.pop(0)
                used.add(found[key])


class _Seals:
    """What a node and all below it say, as one hash; places and references left out."""

    def __init__(self, snapshot: Snapshot, children: Children) -> None:
        self._snapshot, self._nodes = snapshot, snapshot.nodes
        self._children = children
        self._known: dict[str, int] = {}

    def name(self, key: str) -> object:
        """What two nodes must share to be the same one with other content; another prefix makes no other thing."""
        kind = kind_of(self._snapshot, key)
        return (kind or self._nodes[key].get("t"), self._nodes[key].get("@id"))

    def of(self, key: str) -> int:
        """Equal for equal content."""
        if key not in self._known:
            record = self._nodes[key]
            own = tuple(
                sorted((name, _frozen(value)) for name, value in record.items() if name not in ("p", "qk", "ioo", "oo"))
            )
            self._known[key] = hash((own, tuple(self.of(child) for child in self._children.get(key, []))))
        return self._known[key]


def _frozen(value: Value) -> str:
    return "->" if isinstance(value, dict) else repr(value)
