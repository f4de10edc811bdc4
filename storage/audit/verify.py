"""A chain in the database, checked while it goes on: line by line, against its head row and against the signed heads.

Nothing is locked, and pages are read and checked beside the event loop, so a long chain holds nobody up. What was there
at the start must be whole, and no line may be there that the head does not know. Called by /audit/verify and the worker.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from storage.audit import seals
from storage.audit.chain import BEGINNING, Break, Check, Head, sealed_part
from storage.audit.keys import Keys
from storage.database import Connection

PAGE: Final = 100  # lines read at a time: more would hold everybody else up for tens of milliseconds
BEFORE_ALL: Final = -(1 << 62)  # a forged line may stand below the first

_HEAD = text("SELECT seq, hash FROM colane.audit_heads WHERE org_id = :org")
_PAGE = text(
    "SELECT org_id, seq, id, at, actor, action, resource, diagram_id, result, metadata, request_id, prev_hash, hash"
    " FROM colane.audit WHERE org_id = :org AND seq > :after ORDER BY seq LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: the first break, if any; up to where it was looked at, and the newest signed head on the way."""

    broken: Break | None
    seq: int
    hash: bytes
    lines: int
    signed: Head | None
    whole: bool  # False when `most` lines were looked at and there are more


async def verify(
    conn: Connection,
    org_id: UUID,
    keys: Keys,
    *,
    after: tuple[int, bytes] = (0, BEGINNING),
    most: int | None = None,
    others: Iterable[Head] = (),
) -> Verdict:
    """Check one chain, from the row after `after`, at most so many lines. `others` are heads kept outside the database."""
    check = Check(str(org_id), keys, *after)
    start = await head_of(conn, org_id)
    newest = await seals.newest(conn, org_id)  # heads that are signed while we look are not asked for
    broken = _expect(check, others)
    at = BEFORE_ALL if after[0] == 0 else after[0]
    signed_to = after[0]
    whole = False
    while broken is None:
        rows = await page(conn, org_id, at, PAGE)
        if not rows:
            whole = True
            break
        heads = await seals.between(conn, org_id, signed_to, min(rows[-1].seq, newest))
        broken = await asyncio.to_thread(_read, check, rows, heads, start)
        at = signed_to = rows[-1].seq
        if most is not None and check.lines >= most and broken is None:
            break
    if whole and broken is None:
        broken = _expect(check, await seals.between(conn, org_id, signed_to, newest)) or check.end()
        if broken is None:
            broken = await _compare(conn, org_id, check, start)
    return Verdict(broken, check.seq, check.hash, check.lines, check.signed, whole)


async def head_of(conn: Connection, org_id: UUID) -> tuple[int, bytes]:
    """The last row's number and hash, as the head row has them."""
    row = (await conn.execute(_HEAD, {"org": org_id})).one_or_none()
    return (0, BEGINNING) if row is None else (int(row.seq), bytes(row.hash))


async def page(conn: Connection, org_id: UUID, after: int, limit: int) -> Sequence[Any]:
    """Rows of a chain in their order."""
    return (await conn.execute(_PAGE, {"org": org_id, "after": after, "limit": limit})).all()


def part_of(row: Any) -> dict[str, Any]:
    """What of a row was hashed."""
    return sealed_part(
        row.org_id, row.seq, row.id, row.at, row.actor, row.action, row.resource, row.diagram_id, row.result,
        row.metadata, row.request_id,
    )  # fmt: skip


def _expect(check: Check, heads: Iterable[Head]) -> Break | None:
    return next((broken for head in heads if (broken := check.expect(head))), None)


def _read(check: Check, rows: Sequence[Any], heads: Iterable[Head], start: tuple[int, bytes]) -> Break | None:
    if broken := _expect(check, heads):
        return broken
    for row in rows:
        if broken := check.line(part_of(row), bytes(row.prev_hash), bytes(row.hash)):
            return broken
        if check.seq == start[0] and check.hash != start[1]:
            return _other(check.seq)
    return None


def _other(row: int) -> Break:
    return Break(row, "changed", f"Row {row} is not the one that the chain's head tells of.")


async def _compare(conn: Connection, org_id: UUID, check: Check, start: tuple[int, bytes]) -> Break | None:
    """The end of the lines against the head row, as it was before and as it is now."""
    row = check.seq + 1
    if check.seq == start[0] and check.hash != start[1]:
        return _other(check.seq)
    if check.seq < start[0]:
        return Break(
            row, "cut", f"The log ends with row {check.seq}, its head tells of {start[0]}: row {row} is cut off."
        )
    end, _ = await head_of(conn, org_id)
    if check.seq > end:
        return Break(end + 1, "extra", f"Row {end + 1} stands after the end that the chain's head tells of.")
    return None
