"""A fold: the log's beginning becomes a snapshot, and what each element went through becomes its history.

Nobody sees it happen: the document is the same before and after. Computed off the loop without holding anything, written
in one guarded transaction that trims exactly what was folded. A long log is folded piece by piece. Called by the worker.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from collab.bpmn import diagram
from collab.bpmn.diagram import ElementChange
from collab.workshop import Workshop
from storage import audit, folds, jsonb
from storage.database import Database
from storage.folds import Written
from storage.updates import UpdateLog

PIECE: Final = 20_000  # updates in one fold; what is left is folded next
LONGEST: Final = 8_192  # characters of a value that history keeps
TYPED: Final = "x"  # the register in which people type letter by letter


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold makes of a log."""

    state: bytes
    changes: list[ElementChange]


def fold_log(seed: bytes, tail: Sequence[tuple[int, bytes]], authors: Sequence[UUID | None]) -> Folded:
    """Runs in the workshop: one replay for the state, one watched for the history. `authors` are those of the tail."""
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
    return Folded(diagram.compact([seed, *(data for _, data in tail)]), history)


def _short(value: Any) -> Any:
    """A value as the history keeps it: in plain JSON, and cut when it is very long."""
    kept = jsonb.plain(value)
    text = kept if isinstance(kept, str) else json.dumps(kept, ensure_ascii=False)
    return kept if len(text) <= LONGEST else f"{text[:LONGEST]}…"


async def fold(db: Database, log: UpdateLog, workshop: Workshop, org_id: UUID, diagram_id: UUID) -> bool:
    """Folds what is committed now, or its first piece. False when there was nothing to do, or somebody else did it."""
    stored = await log.load(org_id, diagram_id, deleted_too=True)  # it may be brought back
    tail = stored.tail[:PIECE]
    if not tail:
        return False
    first, last = tail[0][0], tail[-1][0]
    async with db.transaction(org=org_id, read_only=True) as conn:
        written = await folds.written_by(conn, org_id, diagram_id, stored.epoch, first, last)
    if stored.snapshot is None:
        # The first update is the import: it is the beginning of history, not a change of every element.
        seed, tail = tail[0][1], tail[1:]
    else:
        seed = stored.snapshot
    folded = await workshop.do(fold_log, seed, tail, [written[seq].author for seq, _ in tail])
    rows = [
        folds.Changed(
            c.seq, ordinal, written[c.seq].at, written[c.seq].author, c.node_key, c.register, c.before, c.after
        )
        for ordinal, c in enumerate(folded.changes)
    ]
    try:
        async with db.transaction(org=org_id) as conn:
            await folds.write(conn, org_id, diagram_id, stored.epoch, last, folded.state, rows)
            for author, count in _live_edits(written).items():
                await audit.record(
                    conn, org_id=org_id, actor=author, action="diagram.edit", resource=f"diagram:{diagram_id}",
                    metadata={"updates": count}, diagram_id=diagram_id,
                )  # fmt: skip
    except folds.OvertakenError:
        return False
    return True


def _live_edits(written: dict[int, Written]) -> dict[UUID, int]:
    """How many updates each person made in an editor. What a command wrote has an audit line of its own already."""
    counts: dict[UUID, int] = {}
    for one in written.values():
        if one.author is not None and not one.command:
            counts[one.author] = counts.get(one.author, 0) + 1
    return dict(sorted(counts.items()))
