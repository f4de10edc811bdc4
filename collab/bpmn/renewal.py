"""A document's next life: the same records and the same view, without what was deleted and without Yjs' memory of it.

Records are copied with their keys, never by way of XML, and so are the roots that other clients made. What cannot be
copied exactly is not renewed at all. Pure; runs in the workshop for collab/epochs.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pycrdt import Array, Doc, Map, Text

from collab.bpmn import document, repair, xml
from collab.bpmn.records import Change, Record, Value

TOMBSTONES: Final = 0.3  # of all records: more of them deleted, and a new life is worth it
LARGE: Final = 1024 * 1024  # bytes of state; more than this,
BLOATED: Final = 4  # and so many times what it would be afresh, the same


@dataclass(frozen=True, slots=True)
class Renewed:
    """The last state of the old life and the first of the new."""

    last: bytes
    first: bytes


@dataclass(frozen=True, slots=True)
class Replayed:
    """Late work as an edit of the present document; `left` are (key, register) that somebody else changed meanwhile."""

    update: bytes | None
    applied: int
    left: list[tuple[str, str]]


def renew(updates: Sequence[bytes], client_id: int) -> Renewed | None:
    """The document anew when that is worth it and nothing is lost by it, else None."""
    doc = document.load(updates)
    last = doc.get_update()
    nodes = document.read(doc).nodes
    kept = _kept(nodes)
    if len(nodes) - len(kept) <= TOMBSTONES * len(nodes) and len(last) <= LARGE:
        return None
    try:
        first = _copy(last, kept, client_id)
    except _CannotCopyError:
        return None
    many = len(nodes) - len(kept) > TOMBSTONES * len(nodes)
    bloated = len(last) > LARGE and len(last) > BLOATED * len(first)
    return Renewed(last, first) if (many or bloated) and _shown(first) == _shown(last) else None


def replay(last: bytes, late: bytes, live: Sequence[bytes], client_id: int) -> Replayed:
    """What `late` adds to an ended life, written on the present one where that still says what the old one said.

    Raises ValueError for bytes that are no update, or one that does not belong to that life.
    """
    doc = document.load([last])
    before = document.read(doc).nodes
    document.apply(doc, late)
    after = document.read(doc).nodes
    present = document.load(live, client_id)
    now = document.read(present).nodes
    changes: list[Change] = []
    left: list[tuple[str, str]] = []
    for key in sorted(after):
        was, wanted = before.get(key, {}), after[key]
        for register in sorted(was.keys() | wanted.keys()):
            old, new = was.get(register), wanted.get(register)
            if old == new or now.get(key, {}).get(register) == new:
                continue
            if now.get(key, {}).get(register) != old:
                left.append((key, register))
            else:
                changes.append(Change(key, register, new))
    return Replayed(document.write(present, changes) if changes else None, len(changes), left)


class _CannotCopyError(Exception):
    pass


def _kept(nodes: dict[str, Record]) -> set[str]:
    """Living records, and deleted ones that a living one still names: the view looks at those."""
    kept = {key for key, record in nodes.items() if not record.get("d")}
    fresh = list(kept)
    while fresh:
        named = {key for one in fresh for value in nodes[one].values() for key in _names(value)}
        fresh = [key for key in named if key in nodes and key not in kept]
        kept.update(fresh)
    return kept


def _names(value: Value) -> list[str]:
    if isinstance(value, dict):
        return [str(one) for one in value.values()]
    return [str(one) for one in value] if isinstance(value, list) else []


def _shown(state: bytes) -> bytes:
    return xml.write(repair.tree(repair.view(document.read(document.load([state])))))


def _copy(state: bytes, kept: set[str], client_id: int) -> bytes:
    old = document.load([state])
    new: Doc[Any] = Doc(client_id=client_id)
    with new.transaction():
        _fill(new.get("meta", type=Map), old.get("meta", type=Map))
        _fill(new.get("n", type=Map), old.get("n", type=Map), lambda key: key in kept)
        for root in document.foreign_roots(document.load([state])):
            _copy_root(state, root, new)
    return new.get_update()


def _copy_root(state: bytes, root: str, new: Doc[Any]) -> None:
    """A root that some client made. Its kind is not in the bytes: each is tried on a document of its own."""
    for kind in (Map, Text, Array):  # a text, read as an array, is one of letters
        try:
            found = document.load([state]).get(root, type=kind)
            _cloned(found)
            empty = not found.to_py()
        except _CannotCopyError:
            raise
        except Exception:  # noqa: BLE001, S112 -- pycrdt's way to say that it is of another kind
            continue
        if empty:
            continue
        made = new.get(root, type=kind)
        if isinstance(made, Map):
            _fill(made, found)
        elif isinstance(made, Array):
            made.extend([_cloned(one) for one in found])
        elif isinstance(made, Text):
            made += str(found)
        if made.to_py() == found.to_py():
            return
    raise _CannotCopyError(root)


def _fill(new: "Map[Any]", old: "Map[Any]", wanted: Callable[[str], bool] = lambda _key: True) -> None:
    for key in sorted(old.keys()):
        if wanted(key):
            new[key] = _cloned(old[key])


def _cloned(value: Any) -> Any:
    if isinstance(value, Map):
        return Map({key: _cloned(value[key]) for key in sorted(value.keys())})
    if isinstance(value, Array):
        return Array([_cloned(one) for one in value])
    if isinstance(value, Text):
        if any(attributes for _, attributes in value.diff()):
            raise _CannotCopyError("text with formatting")
        return Text(str(value))
    if value is None or isinstance(value, str | int | float | bytes | list | dict):
        return value
    raise _CannotCopyError(type(value).__name__)
