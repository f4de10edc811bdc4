"""The working state of one view: which records are shown, where, and as what.

The rules change the draft, finish.py turns it into a tree. Nothing here touches the records themselves: a repair lives
as long as the view. Keys are walked in the order of their bytes, so that every replica decides alike. Mirror of
frontend/src/document/view/draft.ts.
"""

import re
from dataclasses import dataclass
from typing import Final

from collab.bpmn.grammar import PREFIXES
from collab.bpmn.records import Record, Snapshot, Value
from collab.bpmn.repair.canonical import digest, text_of

WALK: Final = 1000  # no chain of parents is followed further than this
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORDS: Final = {"sequenceFlow": "flow", "bpmndi:BPMNShape": "shape", "bpmndi:BPMNEdge": "edge", "": "element"}


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing the view shows otherwise than the records say, and why, in plain words."""

    rule: str
    key: str
    id: str  # the element's id as people know it
    text: str
    other: str | None = None  # the key of the element that gave the reason


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespace prefixes known at a place, and the kinds of the tags already met there."""

    prefixes: dict[str, str]
    kinds: dict[str, str]


def target(value: Value | None) -> str | None:
    """The key a reference value points at, or None when the value is not a reference."""
    if isinstance(value, dict):
        to = value.get("r")
        return to if isinstance(to, str) else None
    return None


def flagged(value: object) -> bool:
    """Is a mark such as `d` or `oo` set? Clients write 1 or "1"."""
    return value in (1, "1")


def parent_of(record: Record) -> str | None:
    """The parent a record names; None on a root and on what cannot be read."""
    p = record.get("p")
    if isinstance(p, list) and p and isinstance(p[0], str):
        return p[0]
    return None


class Draft:
    """Filled by the rules, in the order of `repair.RULES`."""

    def __init__(self, snapshot: Snapshot, *, learning: bool = False) -> None:
        self.meta = snapshot.meta
        self.nodes: dict[str, Record] = {key: snapshot.nodes[key] for key in sorted(snapshot.nodes)}
        self.root = ""
        self.parents: dict[str, str] = {}  # shown nodes only: key -> parent key, "" for the root
        self.children: dict[str, list[str]] = {}  # may still list hidden ones: ask parents
        self.below: dict[str, list[str]] = {}  # live records by the parent they name
        self.changed: dict[str, dict[str, Value | None]] = {}  # registers shown otherwise; None: left out
        self.tags: dict[str, str] = {}  # names shown instead of the record's own
        self.referrers: dict[str, list[tuple[str, str]]] = {}  # key -> (shown node, register) pointing at it
        self.queue: list[str] = []  # hidden keys whose referrers have not been looked at
        self.repairs: list[Repair] = []
        self.quirks: dict[str, dict[str, str]] = {}
        self.declaring: set[str] = set()  # records that declare a namespace prefix
        self.everywhere: dict[str, str] = {}  # prefix -> namespace, as the smallest key declares it
        self._learning = learning
        self._by_kind: dict[str, list[str]] = {}  # empty: not known
        self._scopes: dict[str, Scope] = {}
        for key, record in self.nodes.items():
            for name, value in record.items():
                if name[:6] == "@xmlns" and isinstance(value, str):
                    self.declaring.add(key)
                    self.everywhere.setdefault(name[7:], value)
        # The kind of a record, by the namespaces in scope where it was written. Asked ten times a record and more, so
        # all are looked up at once; where only one record declares prefixes, all places know the same.
        nowhere = Scope({}, {}) if len(self.declaring) <= 1 else None
        self._kinds = {
            key: self._kind_of(str(record.get("t")), nowhere or self.scope(key)) for key, record in self.nodes.items()
        }
        self.kind: Final = self._kinds.__getitem__

    # -- names and values ---------------------------------------------------------------------------------------------

    def value(self, key: str, name: str) -> Value | None:
        """A register as the view shows it."""
        changed = self.changed.get(key)
        if changed is not None and name in changed:
            return changed[name]
        return self.nodes[key].get(name)

    def change(self, key: str, name: str, value: Value | None) -> None:
        """Shows a register otherwise, or not at all."""
        self.changed.setdefault(key, {})[name] = value

    def tag(self, key: str) -> str:
        """The name a record is shown under."""
        return self.tags.get(key) or str(self.nodes[key].get("t"))

    def retag(self, key: str, local: str) -> None:
        """Shows a record as another element of the same namespace."""
        prefix, colon, _ = self.tag(key).partition(":")
        self.tags[key] = prefix + colon + local if colon else local
        self._kinds[key] = self._kind_of(self.tags[key], self.scope(key))
        self._by_kind.clear()

    def add(self, key: str, record: Record, parent: str) -> None:
        """Shows a record that is not in the document."""
        self.nodes[key] = record
        self._kinds[key] = self._kind_of(self.tag(key), self.scope(key))
        self._by_kind.clear()
        self.show(key, parent)

    def of(self, *kinds: str) -> list[str]:
        """The shown nodes of these kinds, by key. Most rules are about few kinds of few nodes."""
        if not self._by_kind:
            for key in self.nodes:
                self._by_kind.setdefault(self.kind(key), []).append(key)
        found = [key for kind in kinds for key in self._by_kind.get(kind, ()) if key in self.parents]
        return sorted(found)

    def _kind_of(self, tag: str, scope: Scope) -> str:
        kind = scope.kinds.get(tag)
        if kind is None:
            if tag[:1] in ("#", "!", "?"):
                kind = tag[0]
            else:
                prefix, colon, local = tag.partition(":")
                if not colon:
                    prefix, local = "", tag
                uri = scope.prefixes.get(prefix)
                plain = PREFIXES.get(self.everywhere.get(prefix, "") if uri is None else uri)
                kind = "" if plain is None else plain + local
            scope.kinds[tag] = kind
        return kind

    def scope(self, key: str) -> Scope:
        """The prefixes in scope at a record, where it was written."""
        path: list[str] = []
        at: str | None = key
        scope: Scope | None = None
        while at is not None and len(path) < WALK:
            scope = self._scopes.get(at)
            if scope is not None or at not in self.nodes:
                break
            path.append(at)
            at = parent_of(self.nodes[at])
        scope = scope or Scope({}, {})
        for step in reversed(path):
            if step in self.declaring:
                scope = Scope(scope.prefixes | declared(self.nodes[step]), {})
            self._scopes[step] = scope
        return scope

    # -- who is shown -------------------------------------------------------------------------------------------------

    def show(self, key: str, parent: str) -> None:
        """Puts a node under a shown parent."""
        self.parents[key] = parent
        self.children.setdefault(parent, []).append(key)

    def everyone(self) -> list[str]:
        """All shown nodes, by key. The records are in that order already, but for those that were added."""
        parents = self.parents
        return sorted([key for key in self.nodes if key in parents])

    def shown(self, key: str) -> list[str]:
        """The shown children of a node, in no meant order."""
        # One that went and came back is listed twice.
        return [child for child in dict.fromkeys(self.children.get(key, ())) if self.parents.get(child) == key]

    def hide(self, top: str) -> None:
        """Takes a node and everything in it out of the view; references to it are looked at later."""
        open_ = [top]
        while open_:
            key = open_.pop()
            open_ += self.shown(key)
            del self.parents[key]
            self.queue.append(key)

    # -- telling ------------------------------------------------------------------------------------------------------

    def fires(self, rule: str, key: str, reading: list[Value | None]) -> bool:
        """Is the rule to act on this record? Not while what it read is as it was imported (`qk`)."""
        seal = f"{digest(text_of(reading)):08x}"
        if self._learning:
            self.quirks.setdefault(key, {})[rule] = seal
            return False
        known = self.nodes[key].get("qk") if key in self.nodes else None
        return not (isinstance(known, dict) and known.get(rule) == seal)

    def report(self, rule: str, key: str, text: str, other: str | None = None) -> None:
        """Writes a repair down."""
        self.repairs.append(Repair(rule, key, self.name(key), text, other))

    def name(self, key: str) -> str:
        """What people call a record: its id, else its key."""
        record = self.nodes.get(key)
        id_ = None if record is None else record.get("@id")
        return id_ if isinstance(id_, str) and id_ else key

    def word(self, key: str) -> str:
        """The kind of a record in everyday words."""
        kind = self.kind(key) if key in self.nodes else ""
        return _WORDS.get(kind) or _CAPITAL.sub(" ", kind.partition(":")[2] or kind).lower()

    def called(self, key: str) -> str:
        """Kind and name: "flow Flow_7"."""
        return f"{self.word(key)} {self.name(key)}"

    def gone(self, key: str) -> str:
        """Why a key that something refers to is not there: "was deleted"."""
        record = self.nodes.get(key)
        if record is None:
            return "does not exist"
        return "was deleted" if flagged(record.get("d")) else "is hidden"


def declared(record: Record) -> dict[str, str]:
    """The namespace prefixes a record declares."""
    return {name[7:]: value for name, value in record.items() if name.startswith("@xmlns") and isinstance(value, str)}
