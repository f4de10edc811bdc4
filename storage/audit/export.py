"""A chain as a file that speaks for itself: written from the database, checked without one.

One JSON object a line, in the one spelling of chain.py: first what it is, then the signed heads, then the rows in their
order, then an end with the SHA-256 of all before. The heads come first so that a file whose end is cut off still tells
what it lacks. That rows and heads were taken away together is seen by who keeps a head elsewhere (`others`).
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from storage.audit import seals
from storage.audit.chain import Break, Check, Head, canonical, moment
from storage.audit.keys import Keys
from storage.audit.verify import BEFORE_ALL, PAGE, head_of, page, part_of
from storage.database import Database

FORMAT: Final = 1
HEADS_PAGE: Final = 5_000  # rows whose heads are read at a time
_FIELDS: Final = frozenset(
    {"org", "seq", "id", "at", "actor", "action", "resource", "diagram", "result", "metadata", "request_id",
     "kind", "prev", "hash"}
)  # fmt: skip


def _lines(objects: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(canonical(one) + b"\n" for one in objects)


def _rows(rows: Sequence[Any]) -> bytes:
    return _lines(
        {**part_of(row), "kind": "line", "prev": bytes(row.prev_hash).hex(), "hash": bytes(row.hash).hex()}
        for row in rows
    )


async def write(db: Database, org_id: UUID, *, user_id: UUID | None = None) -> AsyncIterator[bytes]:
    """The file, piece by piece; what is written to the log meanwhile is not in it."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        end, _ = await head_of(conn, org_id)
        signed_to = min(end, await seals.newest(conn, org_id))
    digest, count = hashlib.sha256(), 0

    def noted(piece: bytes) -> bytes:
        digest.update(piece)
        return piece

    first = {"kind": "export", "format": FORMAT, "org": str(org_id), "at": moment(datetime.now(UTC)), "rows": end}
    yield noted(_lines([first]))
    for after in range(0, signed_to, HEADS_PAGE):
        # A transaction a page: a reader who is slow, or gone, holds none.
        async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
            heads = await seals.between(conn, org_id, after, min(after + HEADS_PAGE, signed_to))
        if heads:
            yield noted(b"".join(one.line() for one in heads))
    at = BEFORE_ALL
    while at < end:
        async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
            rows = [row for row in await page(conn, org_id, at, PAGE) if row.seq <= end]
        if not rows:
            break
        at, count = rows[-1].seq, count + len(rows)
        yield noted(await asyncio.to_thread(_rows, rows))
    yield _lines([{"kind": "end", "lines": count, "sha256": digest.hexdigest()}])


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of a file found."""

    broken: Break | None
    org: str = ""
    exported_at: str = ""
    rows: int = 0
    signed: Head | None = None


def heads_in(lines: Iterable[bytes], org: str | None = None) -> Iterator[Head]:
    """Signed heads, of one organization or all, among lines of JSON: a worker's file of heads, its log, another export."""
    for raw in lines:
        if b'"signature"' not in raw:
            continue
        try:
            found = json.loads(raw)
            head = Head.read(found.get("head", found))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            continue
        if org in (None, head.org):
            yield head


def examine(lines: Iterable[bytes], keys: Keys, others: Iterable[bytes] = ()) -> Report:
    """Check a file; `others` are lines with heads that were kept elsewhere."""
    reading = iter(lines)
    raw = next(reading, b"")
    first = _object(raw)
    if first is None or first.get("kind") != "export" or first.get("format") != FORMAT:
        return Report(Break(0, "damaged", "The first line is not that of an export of the audit log."))
    org, promised = str(first.get("org")), first.get("rows")
    check = Check(org, keys)
    broken = next((found for head in heads_in(others, org) if (found := check.expect(head))), None)
    digest = hashlib.sha256(raw)
    ended: dict[str, Any] | None = None
    for number, raw in enumerate(reading, 2):
        if broken is not None:
            break
        one = _object(raw)
        if ended is not None:
            broken = Break(check.seq + 1, "extra", f"Line {number} of the file stands after its end.")
        elif one is not None and one.get("kind") == "end":
            ended = one
        else:
            digest.update(raw)
            broken = _read(check, one, number)
            if broken is not None and broken.what == "missing":
                broken = _moved(broken, check, one, reading)
    if broken is None:
        broken = check.end() or _ended(check, ended, promised, digest.hexdigest())
    return Report(broken, org, str(first.get("at")), check.lines, check.signed)


def _object(raw: bytes) -> dict[str, Any] | None:
    """A line of the file; None unless it is spelled as we spell it, to the byte."""
    try:
        found = json.loads(raw)
        return found if isinstance(found, dict) and canonical(found) + b"\n" == raw else None
    except (ValueError, RecursionError):
        return None


def _read(check: Check, one: dict[str, Any] | None, number: int) -> Break | None:
    row = check.seq + 1
    damaged = Break(row, "damaged", f"Line {number} of the file is damaged; it should be row {row}, or a signed head.")
    if one is None:
        return damaged
    kind = one.get("kind")
    try:
        if kind == "head" and not check.lines:
            return check.expect(Head.read(one))
        if kind == "line" and one.keys() == _FIELDS and type(one["seq"]) is int:
            prev, hashed = bytes.fromhex(one["prev"]), bytes.fromhex(one["hash"])
            if prev.hex() == one["prev"] and hashed.hex() == one["hash"]:
                part = {name: value for name, value in one.items() if name not in ("kind", "prev", "hash")}
                return check.line(part, prev, hashed)
    except (KeyError, TypeError, ValueError):
        pass
    return damaged


def _moved(broken: Break, check: Check, one: dict[str, Any] | None, rest: Iterable[bytes]) -> Break:
    """A row that is not in its place may stand in another."""
    seq = one["seq"] if one is not None else None
    if isinstance(seq, int) and seq <= check.seq:
        return replace(broken, what="moved", words=f"Row {seq} stands in the place of row {broken.row}, a second time.")
    for raw in rest:
        later = _object(raw)
        if later is not None and later.get("kind") == "line" and later.get("seq") == broken.row:
            words = f"Row {broken.row} is not in its place: row {seq} stands there, and row {broken.row} comes later."
            return replace(broken, what="moved", words=words)
    return broken


def _ended(check: Check, ended: dict[str, Any] | None, promised: Any, digest: str) -> Break | None:
    row = check.seq + 1
    if ended is None or ended.get("lines") != check.lines or promised != check.seq:
        return Break(row, "cut", f"The file ends after row {check.seq}, and it should not: row {row} is cut off.")
    if ended.get("sha256") != digest:
        return Break(
            0, "damaged", "Every row is as it was written, but the file around them is not as it was exported."
        )
    return None
