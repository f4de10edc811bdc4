"""Records to shared document and back: the only place that knows how Yjs holds a diagram.

Roots `meta` and `n` (a map of maps). A register is one entry; long or spoken text is a Y.Text, so that two people may
type in one at once. Other roots that clients made are none of our business and stay. Everything goes in and out as
bytes; a Doc never leaves the process or thread it was made in.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pycrdt import Doc, Map, Text

from collab.bpmn.records import Change, Record, Snapshot, Value

# Mirror of frontend/src/document/store.ts: what several people may type in at once.
_SHARED_TEXT: Final = re.compile(
    r"(^|:)(documentation|text|script|body|.*[eE]xpression|condition|.*Condition|loopCardinality"
    r"|time(Date|Cycle|Duration)|from|to)$"
)
LONG: Final = 256

Shared = Doc[Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """One register before and after; None where it is not there."""

    key: str
    register: str
    before: Value | None
    after: Value | None


def seed(snapshot: Snapshot, client_id: int) -> bytes:
    """A fresh document with these records, as one update. The client id names whoever wrote the seed."""
    doc: Shared = Doc(client_id=client_id)
    meta: Map[Any] = doc.get("meta", type=Map)
    nodes: Map[Any] = doc.get("n", type=Map)
    with doc.transaction():
        for name, value in snapshot.meta.items():
            meta[name] = _stored("", name, value)
        for key, record in snapshot.nodes.items():
            tag = str(record.get("t", ""))
            nodes[key] = Map({name: _stored(tag, name, value) for name, value in record.items()})
    return doc.get_update()


def load(updates: Sequence[bytes], client_id: int | None = None) -> Shared:
    """The document that these updates make, oldest first, applied in one transaction."""
    doc: Shared = Doc(client_id=client_id)
    with doc.transaction():
        for update in updates:
            doc.apply_update(update)
    return doc


def apply(doc: Shared, update: bytes) -> None:
    """Somebody's bytes on a document. Raises ValueError for what is no update; the document is of no use then."""
    try:
        doc.apply_update(update)
    except Exception as error:
        raise ValueError("an update that cannot be decoded") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # hostile bytes; it is no Exception
            raise
        raise ValueError("an update that cannot be decoded") from None


def read(doc: Shared) -> Snapshot:
    """All registers as plain data. What has not the shape of a record is left out; the view reports nothing on it."""
    meta = _plain(doc.get("meta", type=Map))
    nodes = _plain(doc.get("n", type=Map))
    return Snapshot(meta, {key: record for key, record in nodes.items() if isinstance(record, dict)})


def read_again(doc: Shared, known: Snapshot, keys: Iterable[str]) -> None:
    """Brings a snapshot up to date where these records are all that was written since it was read."""
    nodes: Map[Any] = doc.get("n", type=Map)
    for key in keys:
        held = nodes.get(key)
        if isinstance(held, Map):
            known.nodes[key] = _plain(held)


def _plain(held: Map[Any]) -> dict[str, Any]:
    """A map as plain data, by way of JSON: five times as quick as value by value, and it has a word for every type.

    What clients put there that is no part of a record (XML types, bytes, NaN) must not make a document unreadable.
    """
    found: dict[str, Any] = json.loads(str(held))
    return found


def write(doc: Shared, changes: Iterable[Change]) -> bytes | None:
    """Writes registers in one transaction and returns the update, or None when there was nothing to write.

    A change whose key is empty goes to `meta`.
    """
    before = doc.get_state()
    nodes: Map[Any] = doc.get("n", type=Map)
    meta: Map[Any] = doc.get("meta", type=Map)
    wrote = False
    with doc.transaction():
        for key, registers in _by_key(changes).items():
            wrote = True
            record = nodes.get(key) if key else meta
            if not isinstance(record, Map):
                tag = str(registers.get("t") or "")
                nodes[key] = Map({n: _stored(tag, n, v) for n, v in registers.items() if v is not None})
                continue
            tag = str(registers.get("t") or record.get("t") or "")
            for name, value in registers.items():
                _put(record, tag, name, value)
    return doc.get_update(before) if wrote else None


def _by_key(changes: Iterable[Change]) -> dict[str, Record]:
    found: dict[str, Any] = {}
    for change in changes:
        found.setdefault(change.key, {})[change.register] = change.value
    return found


def _put(record: Map[Any], tag: str, name: str, value: Value | None) -> None:
    if value is None:
        if name in record:
            del record[name]
        return
    held = record.get(name)
    if isinstance(held, Text) and isinstance(value, str):
        _retype(held, value)
    else:
        record[name] = _stored(tag, name, value)


def _stored(tag: str, name: str, value: Value) -> Any:
    if name == "x" and isinstance(value, str) and (len(value) > LONG or _SHARED_TEXT.search(tag)):
        return Text(value)
    return value


def _retype(text: Text, wanted: str) -> None:
    """Changes only the part that differs, so that what others type meanwhile stays. pycrdt counts in UTF-8 bytes."""
    now, new = str(text).encode(), wanted.encode()
    start = 0
    while start < len(now) and start < len(new) and now[start] == new[start]:
        start += 1
    while start > 0 and start < len(new) and new[start] & 0xC0 == 0x80:
        start -= 1  # not inside a character
    while start > 0 and start < len(now) and now[start] & 0xC0 == 0x80:
        start -= 1
    end = 0
    while end < len(now) - start and end < len(new) - start and now[-1 - end] == new[-1 - end]:
        end += 1
    while end > 0 and new[len(new) - end] & 0xC0 == 0x80:
        end -= 1
    if len(now) - end > start:
        del text[start : len(now) - end]
    if len(new) - end > start:
        text.insert(start, new[start : len(new) - end].decode())


def foreign_roots(doc: Shared) -> list[str]:
    """Names of top-level types beside ours, which clients made and we keep."""
    return sorted(name for name in doc.keys() if name not in ("meta", "n"))  # noqa: SIM118 -- a Doc is no dict


class Watcher:
    """Notes which registers change while updates are applied, with the value before and after."""

    def __init__(self, doc: Shared) -> None:
        self._nodes: Map[Any] = doc.get("n", type=Map)
        self._known = read(doc).nodes
        self._touched: set[str] = set()
        self._subscription = self._nodes.observe_deep(self._note)

    def _note(self, events: Sequence[Any]) -> None:
        # Only the keys are taken here: the document must not be read inside its own transaction.
        for event in events:
            if event.path:
                self._touched.add(str(event.path[0]))
            else:
                self._touched |= set(map(str, event.keys))

    def take(self) -> list[Changed]:
        """What changed since the last call, by key and register."""
        found: list[Changed] = []
        for key in sorted(self._touched):
            was = self._known.get(key, {})
            held = self._nodes.get(key)
            now: Record = _plain(held) if isinstance(held, Map) else {}
            found += [
                Changed(key, register, was.get(register), now.get(register))
                for register in sorted(was.keys() | now.keys())
                if was.get(register) != now.get(register)
            ]
            self._known[key] = now
        self._touched.clear()
        return found
