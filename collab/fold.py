"""A fold: the log's beginning becomes a snapshot, and what each element went through becomes its history.

Nobody sees it happen: the document is the same before and after. Computed off the loop without holding anything, written
in one guarded transaction that trims exactly what was folded. A long log is folded piece by piece. Called by the worker.
"""

from typing import Final
from uuid import UUID

from collab.replay import fold_log
from collab.workshop import Workshop
from storage import audit, folds
from storage.database import Database
from storage.folds import Written
from storage.updates import UpdateLog

PIECE: Final = 20_000  # updates in one fold; what is left is folded next


async def fold(db: Database, log: UpdateLog, workshop: Workshop, org_id: UUID, diagram_id: UUID) -> bool:
    """Folds what is committed now, or its first piece. False when there was nothing to do, or somebody else did it."""
    stored = await log.load(org_id, diagram_id, deleted_too=True)  # it may be brought back
    tail = stored.tail[:PIECE]
    if not tail:
        return False
    first, last = tail[0][0], tail[-1][0]
    async with db.transaction(org=org_id, read_only=True) as conn:
        written = await folds.written_by(conn, org_id, diagram_id, stored.epoch, first, last)
    if len(written) != len(tail):
        return False  # trimmed since it was loaded: somebody else was faster
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
