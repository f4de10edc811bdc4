"""Which element of one file is which of another: by id, by what draws it, then by place, name and content.

So that a file edited in another tool comes back as an edit of the same records, not as a new diagram. Pure; called by
diff.py. Both sides are snapshots as the import makes them.
"""

from collections.abc import Iterator, Mapping

from collab.bpmn.imports import kind_of
from collab.bpmn.records import Record, Snapshot, Value

_PLACES = ("p", "qk", "ioo", "oo")
_LEADS = "->"
_NEW = "\0"  # a key of nothing
_LEADING = ("@bpmnElement", "@targetRef", "@sourceRef", "@attachedToRef")
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
    _renamed(base, other, found, used)
    _drawn(base, other, found, used)
    seals = (_Seals(base, below), _Seals(other, beside))
    for key in _down(roots[1], beside):
        if key in found:
            _pair(below.get(found[key], []), beside.get(key, []), seals, found, used)
    return found


def _renamed(base: Snapshot, other: Snapshot, found: dict[str, str], used: set[str]) -> None:
    """Who was given another id: an imported record's key is the id it came with; what draws or leads to it stayed."""
    for key in other.nodes:
        if not key.startswith("~"):
            _meet(key, key, base, other, found, used)
    for name in _LEADING:
        for key, old in list(found.items()):
            new, was = _led(other, key, name), _led(base, old, name)
            drawn = name == "@bpmnElement"  # a drawing may stay while its element becomes another type
            if new in other.nodes and was in base.nodes and (drawn or kind_of(other, new) == kind_of(base, was)):
                _meet(new, was, base, other, found, used)


def _drawn(base: Snapshot, other: Snapshot, found: dict[str, str], used: set[str]) -> None:
    """Shapes and edges without ids: by what they draw, on which plane."""
    shapes: dict[tuple[str, str], str] = {}
    for old, record in base.nodes.items():
        if "@bpmnElement" in record:
            shapes.setdefault((_led(base, old, "@bpmnElement"), parent_of(record) or ""), old)
    for key, record in other.nodes.items():
        if "@bpmnElement" in record and key not in found:
            place = (found.get(_led(other, key, "@bpmnElement"), ""), found.get(parent_of(record) or "", ""))
            if place[0] and place in shapes:
                _meet(key, shapes[place], base, other, found, used)


def _meet(key: str, old: str, base: Snapshot, other: Snapshot, found: dict[str, str], used: set[str]) -> None:
    if key in other.nodes and old in base.nodes and key not in found and old not in used:
        found[key] = old
        used.add(old)


def _led(side: Snapshot, key: str, name: str) -> str:
    value = side.nodes[key].get(name)
    return str(value["r"]) if isinstance(value, dict) and "r" in value else ""


def _down(root: str, children: Children) -> Iterator[str]:
    open_ = [root]
    while open_:
        key = open_.pop()
        yield key
        open_ += reversed(children.get(key, []))


def _pair(
    olds: list[str], news: list[str], seals: "tuple[_Seals, _Seals]", found: dict[str, str], used: set[str]
) -> None:
    """Children of parents that match: equal content that leads to the same, equal content, equal but for the id, the same
    kind (and id, if any) in their order; at last what had no id and was given one. What draws something else is another.
    """
    first, second = seals
    for sealed in (
        (first.leading, lambda key: second.leading(key, found)),
        (first.of, second.of),
        (first.but_for_id, second.but_for_id),
        (first.name, second.name),
        (first.name, second.kind),
    ):
        waiting: dict[object, list[str]] = {}
        for key in olds:
            if key not in used:
                waiting.setdefault((sealed[0](key), first.drawing(key)), []).append(key)
        for key in news:
            same = None if key in found else waiting.get((sealed[1](key), second.drawing(key, found)))
            if same:
                found[key] = same.pop(0)
                used.add(found[key])


class _Seals:
    """What a node and all below it say, as one hash; places and references left out."""

    def __init__(self, snapshot: Snapshot, children: Children) -> None:
        self._snapshot, self._nodes = snapshot, snapshot.nodes
        self._children = children
        self._known: dict[str, object] = {}

    def name(self, key: str) -> object:
        """What two nodes must share to be the same one with other content; another prefix makes no other thing."""
        return (self._kind(key), self._nodes[key].get("@id"))

    def kind(self, key: str) -> object:
        """What `name` is for one without an id."""
        return (self._kind(key), None)

    def _kind(self, key: str) -> object:
        return kind_of(self._snapshot, key) or self._nodes[key].get("t")

    def of(self, key: str) -> object:
        """Equal for equal content."""
        if key not in self._known:
            self._known[key] = hash((self._own(key, _PLACES), tuple(map(self.of, self._children.get(key, [])))))
        return self._known[key]

    def leading(self, key: str, names: Mapping[str, str] | None = None) -> object:
        """Equal for equal content that leads to the same; `names` are those of the other side."""
        leads = tuple(
            (name, _named(str(value["r"]), names))
            for name, value in sorted(self._nodes[key].items())
            if isinstance(value, dict) and "r" in value
        )
        return (self.of(key), leads)

    def drawing(self, key: str, names: Mapping[str, str] | None = None) -> str:
        """What a shape or an edge draws; two without ids are the same one only if they draw the same."""
        drawn = _led(self._snapshot, key, "@bpmnElement")
        # A plane stays when it comes to show a collaboration instead of a process.
        return _named(drawn, names) if drawn and not str(self._nodes[key].get("t")).endswith("Plane") else ""

    def but_for_id(self, key: str) -> object:
        """Equal for equal content under another id; what says nothing but its kind and where it leads is like no other."""
        own = self._own(key, (*_PLACES, "@id"))
        inner = tuple(map(self.of, self._children.get(key, [])))
        plain = not inner and all(name == "t" or value == _LEADS for name, value in own)
        return (id(self), key) if plain or "@id" not in self._nodes[key] else (own, inner)

    def _own(self, key: str, but: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, _frozen(value)) for name, value in self._nodes[key].items() if name not in but))


def _named(key: str, names: Mapping[str, str] | None) -> str:
    return key if names is None else names.get(key, _NEW)


def _frozen(value: Value) -> str:
    return _LEADS if isinstance(value, dict) else repr(value)
