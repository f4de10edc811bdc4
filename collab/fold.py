"""A fold: the log's beginning becomes a snapshot, and what each element went through becomes its history.

Nobody sees it happen: the document is the same before and after. Computed off the loop without holding anything, written
in one guarded transaction that trims exactly what was folded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from collab.bpmn import diagram
from collab.bpmn.diagram import ElementChange
from collab.workshop import Workshop
from storage import audit, folds
from storage.database import Database
from storage.updates import UpdateLog


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold makes of a log."""

    state: bytes
    changes: list[ElementChange]


def fold_log(snapshot: bytes | None, tail: Sequence[tuple[int, bytes]]) -> Folded:
    """Runs in the workshop: one replay for the state, one watched for the history."""
    before = [snapshot] if snapshot else []
    return Folded(
        diagram.compact([*before, *(data for _, data in tail)]), diagram.changes(before, tail) if before else []
    )


async def fold(db: Database, log: UpdateLog, workshop: Workshop, org_id: UUID, diagram_id: UUID) -> bool:
    """Folds all that is committed now. False when there was nothing to do, or somebody else did it."""
    stored = await log.load(org_id, diagram_id, deleted_too=True)  # it may be brought back
    if not stored.tail:
        return False
    seed, tail = stored.snapshot, stored.tail
    if seed is None:
        # The first update is the import: it is the beginning of history, not a change of every element.
        seed, tail = tail[0][1], tail[1:]
    folded = await workshop.do(fold_log, seed, tail)
    async with db.transaction(org=org_id) as conn:
        written = await folds.written_by(conn, org_id, diagram_id, stored.seq - len(stored.tail))
        rows = [
            folds.Changed(c.seq, ordinal, *written[c.seq], c.node_key, c.register, c.before, c.after)
            for ordinal, c in enumerate(folded.changes)
            if c.seq in written
        ]
        if not await folds.write(conn, org_id, diagram_id, stored.epoch, stored.seq, folded.state, rows):
            return False
        authors = sorted({author for _, author in written.values() if author is not None})
        for author in authors:
            await audit.record(
                conn, org_id=org_id, actor=author, action="diagram.edit", resource=f"diagram:{diagram_id}",
                metadata={"updates": sum(1 for _, a in written.values() if a == author)}, diagram_id=diagram_id,
            )  # fmt: skip
    return True
