"""A log played back, off the loop: into a snapshot, and into the history of elements.

Pure, and apart from fold.py and elements.py so that a process of the workshop need not load the database's driver for it.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from collab.bpmn import diagram, document, parts
from collab.bpmn.diagram import ElementChange
from collab.bpmn.parts import Part
from storage import jsonb

LONGEST: Final = 8_192  # characters of a value that history keeps
TYPED: Final = "x"  # the register in which people type letter by letter


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold makes of a log."""

    state: bytes
    changes: list[ElementChange]


@dataclass(frozen=True, slots=True)
class Trace:
    """One element in a log: its records, its changes with their place in the fold to come, ids that are not their key."""

    parts: dict[str, Part]
    changes: list[tuple[int, ElementChange]]
    ids: dict[str, str]


def fold_log(seed: bytes, tail: Sequence[tuple[int, bytes]], authors: Sequence[UUID | None]) -> Folded:
    """Runs in the workshop: one replay for the state, one watched for the history. `authors` are those of the tail."""
    return Folded(diagram.compact([seed, *(data for _, data in tail)]), _history(seed, tail, authors))


def trace(seed: bytes, tail: Sequence[tuple[int, bytes]], authors: Sequence[UUID | None], element: str) -> Trace:
    """Runs in the workshop: what a fold would tell of one element, and of which records it is made."""
    nodes = document.read(document.load([seed, *(data for _, data in tail)])).nodes
    mine = parts.parts_of(nodes, element)
    changes = [(o, c) for o, c in enumerate(_history(seed, tail, authors)) if c.node_key in mine] if mine else []
    ids = {key: str(record["@id"]) for key, record in nodes.items() if record.get("@id") not in (None, key)}
    return Trace(mine, changes, ids)


def latest(seed: bytes, tail: Sequence[tuple[int, bytes]], keys: Collection[str]) -> list[ElementChange]:
    """Runs in the workshop: the last change of every register of these records in a log."""
    found: dict[tuple[str, str], ElementChange] = {}
    for one in diagram.changes([seed], tail):
        if one.node_key in keys:
            found[one.node_key, one.register] = one
    return list(found.values())


def _history(seed: bytes, tail: Sequence[tuple[int, bytes]], authors: Sequence[UUID | None]) -> list[ElementChange]:
    wrote = {seq: author for (seq, _), author in zip(tail, authors, strict=True)}
    history: list[ElementChange] = []
    typing: dict[str, int] = {}  # node key -> its last change of text in the history
    for change in diagram.changes([seed], tail):
        one = replace(change, before=_short(change.before), after=_short(change.after))
        if one.register == TYPED:
            # A sentence is one change of its author's, not one a letter.
            place = typing.get(one.node_key)
            if place is not None and wrote[history[place].seq] == wrote[one.seq]:
                history[place] = replace(history[place], seq=one.seq, after=one.after)
                continue
            typing[one.node_key] = len(history)
        history.append(one)
    return history


def _short(value: Any) -> Any:
    """A value as the history keeps it: in plain JSON, and cut when it is very long."""
    kept = jsonb.plain(value)
    text = kept if isinstance(kept, str) else json.dumps(kept, ensure_ascii=False)
    return kept if len(text) <= LONGEST else f"{text[:LONGEST]}…"
