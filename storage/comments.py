"""What people say about a diagram and its elements: threads, answers, mentions; written with audit, outbox and notice.

A thread is a comment that answers none; it holds the element it is about, what that was called when somebody last looked,
and how many answers there are. Ids sort by time, so a list is a keyset page, the newest thread first. Whose text it is
and what the element is called now is the callers' business (api/comments.py, collab/comments.py).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import deeds, jsonb, notices
from storage.access import Grant
from storage.database import Connection, Database
from storage.diagrams import people
from storage.people import Person

ANSWERS: Final = 100  # in one thread
COMMENTS: Final = 1_000  # on one page, however many threads were asked for


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment, with its answers where it begins a thread."""

    id: UUID
    thread_id: UUID | None  # what it answers; None begins a thread
    element_id: str | None
    element_name: str | None
    orphaned: bool
    looked: int  # the log's number up to which name and orphaned are known
    author: Person | None
    text: str
    mentions: tuple[Person, ...]
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    resolved_at: datetime | None
    resolved_by: Person | None
    answers: tuple["Comment", ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says."""

    text: str
    mentions: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Anchor:
    """The element that a thread is about, as it was at a number of the log."""

    element_id: str
    name: str | None
    seq: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for."""

    element_id: str | None = None
    resolved: bool | None = None


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A comment that names somebody, and where it stands."""

    diagram_id: UUID
    title: str
    comment: Comment


@dataclass(frozen=True, slots=True)
class Page:
    """Threads, whether there are more, and how far the log of the diagram is."""

    threads: list[Comment] = field(default_factory=list)
    more: bool = False
    seq: int = 0


class FullError(Exception):
    """A thread has as many answers as it may."""


class GoneError(Exception):
    """Somebody deleted it meanwhile."""


_COLUMNS = (
    "c.id, c.thread_id, c.element_id, c.element_name, c.orphaned, c.looked, c.author, c.text, c.created_at, c.edited_at,"
    " c.deleted_at, c.resolved_at, c.resolved_by, c.answers, ARRAY(SELECT m.user_id FROM colane.mentions m"
    " WHERE m.org_id = c.org_id AND m.diagram_id = c.diagram_id AND m.comment_id = c.id ORDER BY m.place) AS mentions"
)
_HERE = "c.org_id = :org AND c.diagram_id = :diagram"
_ANSWERS = text(
    f"SELECT {_COLUMNS} FROM colane.comments c WHERE {_HERE} AND c.thread_id = ANY(CAST(:threads AS uuid[]))"
    " ORDER BY c.thread_id, c.id"
)
_ONE = text(f"SELECT {_COLUMNS} FROM colane.comments c WHERE {_HERE} AND c.id = :id")
_SEQ = text("SELECT seq FROM colane.diagram_heads WHERE org_id = :org AND diagram_id = :diagram")
_INSERT = text(
    "INSERT INTO colane.comments (org_id, diagram_id, id, thread_id, element_id, element_name, looked, author, text)"
    " VALUES (:org, :diagram, :id, :thread, :element, :name, :looked, :user, :text)"
)
_MENTION = text(
    "INSERT INTO colane.mentions (org_id, diagram_id, comment_id, user_id, place)"
    " SELECT :org, :diagram, :id, u.id, u.place FROM unnest(CAST(:users AS uuid[])) WITH ORDINALITY AS u (id, place)"
    " ON CONFLICT DO NOTHING"
)
_FORGET = text("DELETE FROM colane.mentions WHERE org_id = :org AND diagram_id = :diagram AND comment_id = :id")
_ANSWERED = text(
    "UPDATE colane.comments SET answers = answers + 1 WHERE org_id = :org AND diagram_id = :diagram AND id = :thread"
    " AND answers < :most RETURNING element_id"
)
_EDIT = text(
    "UPDATE colane.comments SET text = :text, edited_at = now() WHERE org_id = :org AND diagram_id = :diagram"
    " AND id = :id AND deleted_at IS NULL"
)
_RESOLVE = text(
    "UPDATE colane.comments SET resolved_at = CASE WHEN :resolved THEN now() END,"
    " resolved_by = CASE WHEN :resolved THEN CAST(:user AS uuid) END WHERE org_id = :org AND diagram_id = :diagram"
    " AND id = :id AND (resolved_at IS NOT NULL) <> :resolved"
)
_LOCK = text(
    "SELECT answers, deleted_at FROM colane.comments WHERE org_id = :org AND diagram_id = :diagram AND id = :id FOR UPDATE"
)
_EMPTY = text(
    "UPDATE colane.comments SET text = '', deleted_at = now() WHERE org_id = :org AND diagram_id = :diagram AND id = :id"
)
_DELETE = text("DELETE FROM colane.comments WHERE org_id = :org AND diagram_id = :diagram AND id = :id")
_FEWER = text(
    "UPDATE colane.comments SET answers = answers - 1 WHERE org_id = :org AND diagram_id = :diagram AND id = :id"
    " RETURNING answers, deleted_at"
)
_LOOKED = text(
    "UPDATE colane.comments c SET element_name = coalesce(n.name, c.element_name), orphaned = n.orphaned, looked = :seq"
    " FROM unnest(CAST(:elements AS text[]), CAST(:names AS text[]), CAST(:orphaned AS boolean[]))"
    " AS n (element, name, orphaned)"
    f" WHERE {_HERE} AND c.thread_id IS NULL AND c.element_id = n.element AND c.looked < :seq"
)
# Who may see a diagram is decided in one place, for those who are named as for those who ask.
_KNOWN = text(
    "SELECT u.id FROM unnest(CAST(:users AS uuid[])) AS u (id)"
    " WHERE EXISTS (SELECT 1 FROM colane.grant_for(u.id, :diagram))"
)
_MENTIONS = text(
    f"SELECT {_COLUMNS}, d.id AS diagram_id, d.title FROM colane.mentions w"
    " JOIN colane.comments c ON c.org_id = w.org_id AND c.diagram_id = w.diagram_id AND c.id = w.comment_id"
    " JOIN colane.comments t ON t.org_id = c.org_id AND t.diagram_id = c.diagram_id"
    " AND t.id = coalesce(c.thread_id, c.id) AND t.resolved_at IS NULL"
    " JOIN colane.diagrams d ON d.org_id = w.org_id AND d.id = w.diagram_id AND d.deleted_at IS NULL"
    " WHERE w.org_id = :org AND w.user_id = :user AND (CAST(:before AS uuid) IS NULL OR w.comment_id < :before)"
    " AND EXISTS (SELECT 1 FROM colane.grant_for(:user, d.id)) ORDER BY w.comment_id DESC LIMIT :limit"
)


def _keys(grant: Grant) -> dict[str, Any]:
    return {"org": grant.org_id, "diagram": grant.diagram_id, "user": grant.user_id}


async def page(db: Database, grant: Grant, wanted: Wanted, *, before: UUID | None, limit: int) -> Page:
    """Up to `limit` threads with all their answers, the newest first; fewer where they are long."""
    where = [_HERE, "c.thread_id IS NULL"]
    values: dict[str, Any] = {**_keys(grant), "limit": limit + 1}
    if wanted.element_id is not None:
        where.append("c.element_id = :element")
        values["element"] = wanted.element_id
    if wanted.resolved is not None:
        where.append(f"c.resolved_at IS {'NOT ' if wanted.resolved else ''}NULL")
    if before is not None:
        where.append("c.id < :before")
        values["before"] = before
    query = text(
        f"SELECT {_COLUMNS} FROM colane.comments c WHERE {' AND '.join(where)} ORDER BY c.id DESC LIMIT :limit"
    )
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        seq = (await conn.execute(_SEQ, values)).scalar_one_or_none()
        rows = (await conn.execute(query, values)).all()
        fitting = _fitting(rows[:limit])
        return Page(await _comments(conn, grant, fitting), len(rows) > len(fitting), int(seq or 0))


def _fitting(rows: Sequence[Any]) -> Sequence[Any]:
    """The first threads that make a page; one at least."""
    comments = 0
    for place, row in enumerate(rows):
        comments += 1 + row.answers
        if comments > COMMENTS and place:
            return rows[:place]
    return rows


async def read(db: Database, grant: Grant, comment_id: UUID) -> Comment | None:
    """One comment of this diagram, with its answers."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        return await _read(conn, grant, comment_id)


async def _read(conn: Connection, grant: Grant, comment_id: UUID) -> Comment | None:
    rows = (await conn.execute(_ONE, {**_keys(grant), "id": comment_id})).all()
    found = await _comments(conn, grant, rows)
    return found[0] if found else None


async def _again(conn: Connection, grant: Grant, comment_id: UUID) -> Comment:
    found = await _read(conn, grant, comment_id)
    if found is None:
        raise GoneError
    return found


async def _comments(conn: Connection, grant: Grant, rows: Sequence[Any]) -> list[Comment]:
    threads = [row.id for row in rows if row.answers]
    answers = (await conn.execute(_ANSWERS, {**_keys(grant), "threads": threads})).all() if threads else []
    known = await people(conn, _named([*rows, *answers]))
    below: dict[UUID, list[Comment]] = {}
    for row in answers:
        below.setdefault(row.thread_id, []).append(_comment(row, known))
    return [_comment(row, known, tuple(below.get(row.id, ()))) for row in rows]


def _named(rows: Sequence[Any]) -> set[UUID]:
    return {one for row in rows for one in (row.author, row.resolved_by, *row.mentions) if one is not None}


def _comment(row: Any, known: Mapping[UUID, Person], answers: tuple[Comment, ...] = ()) -> Comment:
    return Comment(
        id=row.id, thread_id=row.thread_id, element_id=row.element_id, element_name=row.element_name,
        orphaned=row.orphaned, looked=row.looked, author=known.get(row.author), text=row.text,
        mentions=tuple(known[one] for one in row.mentions), created_at=row.created_at, edited_at=row.edited_at,
        deleted_at=row.deleted_at, resolved_at=row.resolved_at, resolved_by=known.get(row.resolved_by), answers=answers,
    )  # fmt: skip


async def unknown(db: Database, grant: Grant, users: Collection[UUID]) -> set[UUID]:
    """Those who may not see this diagram, or do not exist."""
    if not users:
        return set()
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        rows = await conn.execute(_KNOWN, {"users": list(users), "diagram": grant.diagram_id})
        return set(users) - {row.id for row in rows}


async def begin(
    db: Database, grant: Grant, said: Said, anchor: Anchor | None, *, request_id: str | None = None
) -> Comment:
    """A new thread, about an element or the whole diagram."""
    about = {
        "thread": None,
        "element": anchor.element_id if anchor else None,
        "name": jsonb.clean(anchor.name) if anchor and anchor.name else None,
        "looked": anchor.seq if anchor else 0,
    }
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        return await _say(conn, grant, said, about, request_id)


async def answer(db: Database, grant: Grant, thread_id: UUID, said: Said, *, request_id: str | None = None) -> Comment:
    """An answer in a thread. Raises FullError and GoneError."""
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        values = {**_keys(grant), "thread": thread_id, "most": ANSWERS}
        thread = (await conn.execute(_ANSWERED, values)).one_or_none()
        if thread is None:
            await _again(conn, grant, thread_id)
            raise FullError
        about = {"thread": thread_id, "element": thread.element_id, "name": None, "looked": 0}
        return await _say(conn, grant, said, about, request_id)


async def _say(conn: Connection, grant: Grant, said: Said, about: Mapping[str, Any], request_id: str | None) -> Comment:
    comment_id = uuids.uuid7()
    values = {**_keys(grant), **about, "id": comment_id, "text": said.text, "users": list(said.mentions)}
    await conn.execute(_INSERT, values)
    if said.mentions:
        await conn.execute(_MENTION, values)
    made = await _again(conn, grant, comment_id)
    await _tell(conn, grant, made, "made", request_id)
    return made


async def edit(db: Database, grant: Grant, comment_id: UUID, said: Said, *, request_id: str | None = None) -> Comment:
    """Another text for a comment; it is marked as edited. Raises GoneError."""
    values = {**_keys(grant), "id": comment_id, "text": said.text, "users": list(said.mentions)}
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        if (await conn.execute(_EDIT, values)).rowcount != 1:
            raise GoneError
        await conn.execute(_FORGET, values)
        if said.mentions:
            await conn.execute(_MENTION, values)
        changed = await _again(conn, grant, comment_id)
        await _tell(conn, grant, changed, "changed", request_id)
        return changed


async def resolve(
    db: Database, grant: Grant, thread_id: UUID, *, resolved: bool, request_id: str | None = None
) -> Comment:
    """Settle a thread, or open it again; one that is so already stays as it is. Raises GoneError."""
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        done = await conn.execute(_RESOLVE, {**_keys(grant), "id": thread_id, "resolved": resolved})
        thread = await _again(conn, grant, thread_id)
        if done.rowcount == 1:
            await _tell(conn, grant, thread, "resolved" if resolved else "reopened", request_id)
        return thread


async def delete(db: Database, grant: Grant, comment: Comment, *, request_id: str | None = None) -> None:
    """A comment goes. The first of a thread leaves its place to the answers, and goes with the last of them."""
    values = {**_keys(grant), "id": comment.id}
    first = {**values, "id": comment.thread_id or comment.id}
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        held = (await conn.execute(_LOCK, first)).one_or_none()
        if held is None:
            raise GoneError
        if comment.thread_id is None:
            if held.deleted_at is not None:
                raise GoneError
            await conn.execute(_FORGET, values)
            await conn.execute(_EMPTY if held.answers else _DELETE, values)
        else:
            if (await conn.execute(_DELETE, values)).rowcount != 1:
                raise GoneError
            left = (await conn.execute(_FEWER, first)).one()
            if left.answers == 0 and left.deleted_at is not None:
                await conn.execute(_DELETE, first)
        await _tell(conn, grant, comment, "deleted", request_id)


async def looked(db: Database, grant: Grant, seq: int, found: Mapping[str, tuple[str | None, bool]]) -> None:
    """Keeps what elements are called at a number of the log, and whether they are still there."""
    values = {
        **_keys(grant), "seq": seq, "elements": list(found),
        "names": [jsonb.clean(name) if name else None for name, _ in found.values()],
        "orphaned": [not shown for _, shown in found.values()],
    }  # fmt: skip
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        await conn.execute(_LOOKED, values)


async def mentions(db: Database, user_id: UUID, org_id: UUID, *, before: UUID | None, limit: int) -> list[Mentioned]:
    """Comments in open threads that name somebody, the newest first; on diagrams that they may see."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        values = {"org": org_id, "user": user_id, "before": before, "limit": limit}
        rows = (await conn.execute(_MENTIONS, values)).all()
        known = await people(conn, _named(rows))
        return [Mentioned(row.diagram_id, row.title, _comment(row, known)) for row in rows]


async def _tell(conn: Connection, grant: Grant, comment: Comment, change: str, request_id: str | None) -> None:
    thread = comment.thread_id or comment.id
    notice = {
        "event": "comment", "org": str(grant.org_id), "diagram": str(grant.diagram_id), "comment": str(comment.id),
        "thread": str(thread), "element": comment.element_id, "change": change,
    }  # fmt: skip
    await notices.notify(conn, notice)
    told = {
        "diagram_id": str(grant.diagram_id), "comment_id": str(comment.id), "thread_id": str(thread),
        "element_id": comment.element_id, "text": "" if change == "deleted" else comment.text,
        "mentions": [str(one.id) for one in comment.mentions],
    }  # fmt: skip
    # Not what was said: the log cannot forget, and people may take their words back.
    kept = {"thread": str(thread), "element": comment.element_id}
    resource = f"comment:{comment.id}"
    await deeds.done(
        conn, grant, f"comment.{change}", resource=resource, told=told, metadata=kept, request_id=request_id
    )
