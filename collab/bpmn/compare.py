"""What changed between two diagrams, in people's words: elements that came, went, changed, moved, were only laid out anew.

An element is a record with an id that is not part of a drawing; what has no id, and its shape or edge, is told with it.
Pure; for the diff of two versions (api/differences.py) and for the command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collab.bpmn import imports, xml
from collab.bpmn.diff import Edit, bare
from collab.bpmn.match import parent_of
from collab.bpmn.records import Snapshot, Value

_DEEP = 200


@dataclass(frozen=True, slots=True)
class Property:
    """One property before and after; None where it is not there."""

    property: str
    base: Any
    value: Any


@dataclass(slots=True)
class Entry:
    """One element, by its id (or key), type and name."""

    element: str
    type: str
    name: str | None
    properties: list[Property] = field(default_factory=list)


@dataclass(slots=True)
class Compared:
    """Elements in document order. One that moved and changed is in both lists."""

    added: list[Entry] = field(default_factory=list)
    removed: list[Entry] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    moved: list[Entry] = field(default_factory=list)
    layout_only: list[Entry] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """The two say the same."""
        return not (self.added or self.removed or self.changed or self.moved or self.layout_only)


def compare(base: bytes, other: bytes) -> Compared:
    """From one text to another. Raises the errors of collab.bpmn.errors."""
    return told(Edit.of(xml.parse(base), xml.parse(other)))


def told(edit: Edit) -> Compared:
    """An edit in people's words."""
    return _Comparing(edit).run()


@dataclass(frozen=True, slots=True)
class _Owner:
    key: str
    drawn: bool  # the record belongs to the element's drawing


class _Comparing:
    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        self._names = {key: key for key in edit.added} | edit.to_base
        self._semantic: dict[str, list[Property]] = {}
        self._layout: dict[str, list[Property]] = {}
        self._moved: dict[str, list[Property]] = {}

    def run(self) -> Compared:
        edit = self._edit
        added = {key for key in edit.added if self._is_own(edit.text, key)}
        removed = {key for key in edit.removed if self._is_own(edit.base, key)}
        to_text = {old: key for key, old in edit.to_base.items()}
        for key in edit.added:
            owner = _owner(edit.text, key)
            if key not in added and owner.key not in added and owner.key in edit.to_base:
                self._part(edit.text, key, edit.to_base[owner.key], owner, came=True)
        for key in edit.removed:
            owner = _owner(edit.base, key)
            if key not in removed and owner.key not in removed:
                self._part(edit.base, key, owner.key, owner, came=False)
        for key, old in edit.to_base.items():
            self._record(key, old)
        found = Compared(
            added=[_entry(edit.text, key) for key in edit.text.nodes if key in added],
            removed=[_entry(edit.base, key) for key in edit.base.nodes if key in removed],
        )
        for old in edit.base.nodes:
            if old not in to_text:
                continue
            for lists, into in ((self._semantic, found.changed), (self._moved, found.moved)):
                if old in lists:
                    into.append(_entry(edit.text, to_text[old], lists[old]))
            if old in self._layout and old not in self._semantic and old not in self._moved:
                found.layout_only.append(_entry(edit.text, to_text[old], self._layout[old]))
        return found

    @staticmethod
    def _is_own(side: Snapshot, key: str) -> bool:
        owner = _owner(side, key)
        return owner.key == key and not owner.drawn

    def _part(self, side: Snapshot, key: str, at: str, owner: _Owner, *, came: bool) -> None:
        """A record without an id of its own came or went."""
        word = str(side.nodes[key].get("t", "")).rpartition(":")[2]
        value = side.nodes[key].get("x", "")
        into = self._layout if owner.drawn else self._semantic
        into.setdefault(at, []).append(Property(word, None if came else value, value if came else None))

    def _record(self, key: str, old: str) -> None:
        was, now = self._edit.base.nodes[old], self._edit.translated(key, self._names)
        owner = _owner(self._edit.base, old)
        for register in sorted(was.keys() | now.keys()):
            a, b = bare(register, was.get(register)), bare(register, now.get(register))
            if a == b or register in ("qk", "oo", "ioo", "cd"):
                continue
            told = self._edit.told(old, register, a, b)
            one = Property(told.property, told.base, told.value)
            if register == "p" and owner.key == old and not owner.drawn:
                self._moved.setdefault(old, []).append(one)
            elif owner.drawn:
                self._layout.setdefault(owner.key, []).append(one)
            elif register != "p":
                self._semantic.setdefault(owner.key, []).append(one)


def _owner(side: Snapshot, key: str) -> _Owner:
    """The element that a record is told with."""
    at = key
    for _ in range(_DEEP):
        record = side.nodes[at]
        if "@id" in record or imports.kind_of(side, at).startswith("bpmndi:"):
            break
        parent = parent_of(record)
        if parent is None or parent not in side.nodes:
            break
        at = parent
    if not imports.kind_of(side, at).startswith("bpmndi:"):
        return _Owner(at, drawn=False)
    target: Value | None = side.nodes[at].get("@bpmnElement")
    if isinstance(target, Mapping) and str(target.get("r")) in side.nodes:
        return _Owner(str(target["r"]), drawn=True)
    parent = parent_of(side.nodes[at])
    if imports.kind_of(side, at) == "bpmndi:BPMNLabel" and parent in side.nodes:
        return _owner(side, parent)
    return _Owner(at, drawn=True)


def _entry(side: Snapshot, key: str, properties: list[Property] | None = None) -> Entry:
    record = side.nodes[key]
    name = record.get("@name")
    return Entry(
        str(record.get("@id") or key),
        str(record.get("t", "")),
        name if isinstance(name, str) else None,
        properties or [],
    )
