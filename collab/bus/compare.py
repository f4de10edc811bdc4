"""A room held against the database, and how they are made one again.

Judged in the workshop, on bytes. Equal state vectors do not prove equal content: deletions are compared too, and what
people would see. `Judgement` says who lacks what; for a lack either way the other's bytes are the cure.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collab.bpmn import document
from collab.wire import structs


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the room lacks, what the log lacks, and whether people see the same in both."""

    room_lacks: bytes | None
    log_lacks: bytes | None
    same_content: bool

    @property
    def verdict(self) -> str:
        """In one word, for the metric."""
        if self.room_lacks is not None:
            return "behind"
        if self.log_lacks is not None:
            return "ahead"
        return "equal" if self.same_content else "content"


def judge(room: bytes, log: Sequence[bytes]) -> Judgement:
    """The room's document against the log's."""
    here, there = document.load([room]), document.load(log)
    room_lacks, log_lacks = _beyond(there, here), _beyond(here, there)
    same = room_lacks is None and log_lacks is None and _content(here) == _content(there)
    return Judgement(room_lacks, log_lacks, same)


def _beyond(one: document.Shared, other: document.Shared) -> bytes | None:
    """What a document has that another has not."""
    rest: bytes = one.get_update(other.get_state())
    if structs.has_structs(rest):
        return rest
    held = structs.deletions(other.get_update(other.get_state()))
    joined = {client: structs.joined(ranges) for client, ranges in held.items()}
    mine = {client: structs.joined(ranges) for client, ranges in structs.deletions(rest).items()}
    return None if structs.covered(mine, joined) else rest


def _content(doc: document.Shared) -> str:
    shown = document.read(doc)
    plain: dict[str, Any] = {"meta": shown.meta, "n": shown.nodes}
    return json.dumps(plain, sort_keys=True)
