"""Comments: threads about a diagram or one of its elements, answers, mentions; settled and opened again.

Whoever may see the diagram reads them, commenters and up write. A text is changed by whoever wrote it, and taken away by
them or an admin. Open editors hear of every change (the event `comment`, collab/SPEC.md).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.answers import Answer, dumps, weak_etag
from api.authorize import parse_id
from api.call import Call
from api.endpoint import Model, endpoint
from api.paging import PageQuery, next_link, open_cursor, seal_cursor
from api.problems import Problem, unknown_reference
from api.scope import organization
from api.shapes import ElementId, Person, Reference, Words
from collab import comments as threads
from storage import comments
from storage.access import Role
from storage.comments import Said, Wanted

Names = Annotated[list[Reference], Field(max_length=50)]


class Reply(Model):
    """One comment; `text` is empty where it was deleted and others had answered."""

    id: UUID
    thread_id: UUID | None
    author: Person | None
    text: str
    mentions: list[Person]
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None

    @staticmethod
    def said(one: comments.Comment) -> "Reply":
        return Reply(
            id=one.id,
            thread_id=one.thread_id,
            author=Person.of(one.author),
            text=one.text,
            mentions=Person.all(one.mentions),
            created_at=one.created_at,
            edited_at=one.edited_at,
            deleted_at=one.deleted_at,
        )


class Comment(Reply):
    """A comment that begins a thread (`thread_id` null), or an answer, which has no more than a Reply.

    `orphaned`: the element is not there any more; `element_name` is what it was called last.
    """

    element_id: str | None
    element_name: str | None
    orphaned: bool
    resolved: bool
    resolved_at: datetime | None
    resolved_by: Person | None
    replies: list[Reply]

    @classmethod
    def of(cls, one: comments.Comment) -> "Comment":
        return cls(
            **dict(Reply.said(one)),
            element_id=one.element_id,
            element_name=one.element_name,
            orphaned=one.orphaned,
            resolved=one.resolved_at is not None,
            resolved_at=one.resolved_at,
            resolved_by=Person.of(one.resolved_by),
            replies=[Reply.said(answer) for answer in one.answers],
        )


class Comments(Model):
    items: list[Comment]
    next_cursor: str | None


class Mention(Model):
    """A comment that names you, and the diagram it is about."""

    diagram_id: UUID
    diagram_title: str
    comment: Comment


class Mentions(Model):
    items: list[Mention]
    next_cursor: str | None


class CommentsQuery(PageQuery):
    element: ElementId | None = None
    resolved: bool | None = None


class MentionsQuery(PageQuery):
    org: Reference | None = None


class NewComment(Model):
    text: Words
    element_id: ElementId | None = None
    mentions: Names = Field(default_factory=list, description="ids of people who may see the diagram")


class NewReply(Model):
    text: Words
    mentions: Names = Field(default_factory=list)


class ChangedComment(Model):
    text: Words
    mentions: Names | None = None  # as they are, unless given


@endpoint(
    "What is said about this diagram, by thread, the newest first",
    need=Role.VIEWER,
    answers=Comments,
    errors=("cursor_mismatch",),
    conditional=True,
)
async def list_comments(call: Call, query: CommentsQuery) -> Answer:
    filters = ["comments", call.on.diagram_id, query.element, query.resolved]
    parts = call.resources
    found = await threads.page(
        parts.db,
        parts.log,
        parts.workshop,
        call.on,
        Wanted(query.element, query.resolved),
        before=_position(query.cursor, filters),
        limit=query.limit,
    )
    cursor = seal_cursor([found.threads[-1].id], filters) if found.more else None
    shown = Comments(items=[Comment.of(one) for one in found.threads], next_cursor=cursor)
    etag = weak_etag(dumps(shown.model_dump()), dumps([*filters, query.limit]))
    return Answer(shown, etag=etag, headers=next_link(call, cursor))


def _position(cursor: str | None, filters: Sequence[object]) -> UUID | None:
    if cursor is None:
        return None
    held = open_cursor(cursor, filters)
    found = parse_id(held[0]) if len(held) == 1 and isinstance(held[0], str) else None
    if found is None:
        raise Problem("cursor_mismatch")
    return found


@endpoint(
    "Say something about this diagram, or about one of its elements",
    need=Role.COMMENTER,
    limit="write",
    status=201,
    answers=Comment,
    errors=("invalid_reference",),
)
async def begin_thread(call: Call, body: NewComment) -> Answer:
    said = Said(body.text, await _named(call, body.mentions))
    parts = call.resources
    anchor = None
    if body.element_id is not None:
        try:
            anchor = await threads.anchor(parts.log, parts.workshop, call.on, body.element_id)
        except threads.UnknownElementError:
            raise unknown_reference("body.element_id") from None
    return Answer(Comment.of(await comments.begin(parts.db, call.on, said, anchor, request_id=call.request_id)))


async def _named(call: Call, mentions: Sequence[str]) -> tuple[UUID, ...]:
    """Those who are mentioned, once each: people who may see the diagram."""
    found = [parse_id(one) for one in mentions]
    known = list(dict.fromkeys(one for one in found if one is not None))
    missing = await comments.unknown(call.resources.db, call.on, known)
    for place, one in enumerate(found):
        if one is None or one in missing:
            raise unknown_reference(f"body.mentions.{place}")
    return tuple(known)


async def _in_path(call: Call) -> comments.Comment:
    found = await comments.read(call.resources.db, call.on, call.path["comment_id"])
    if found is None:
        raise Problem("not_found")
    return found


async def _thread_in_path(call: Call) -> comments.Comment:
    found = await _in_path(call)
    if found.thread_id is not None:
        raise Problem("not_found")
    return found


@endpoint(
    "Answer in a thread",
    need=Role.COMMENTER,
    limit="write",
    status=201,
    answers=Comment,
    errors=("invalid_reference", "too_large"),
    resolve=_thread_in_path,
)
async def reply(call: Call, body: NewReply) -> Answer:
    said = Said(body.text, await _named(call, body.mentions))
    try:
        made = await comments.answer(call.resources.db, call.on, call.found.id, said, request_id=call.request_id)
    except comments.FullError:
        raise Problem("too_large", f"A thread has at most {comments.ANSWERS} answers; begin another.") from None
    except comments.GoneError:
        raise Problem("not_found") from None
    return Answer(Comment.of(made))


@endpoint(
    "Change what you said; it is marked as edited",
    need=Role.COMMENTER,
    limit="write",
    answers=Comment,
    errors=("invalid_reference",),
    resolve=_in_path,
)
async def change_comment(call: Call, body: ChangedComment) -> Answer:
    held: comments.Comment = call.found
    if held.author is None or held.author.id != call.who.user_id:
        raise Problem("forbidden", "Only whoever wrote a comment changes it.")
    named = tuple(one.id for one in held.mentions) if body.mentions is None else await _named(call, body.mentions)
    try:
        changed = await comments.edit(
            call.resources.db, call.on, held.id, Said(body.text, named), request_id=call.request_id
        )
    except comments.GoneError:
        raise Problem("not_found") from None
    return Answer(Comment.of(changed))


@endpoint(
    "Take a comment away: your own, or as an admin anybody's",
    need=Role.COMMENTER,
    limit="write",
    status=204,
    resolve=_in_path,
)
async def delete_comment(call: Call) -> Answer:
    held: comments.Comment = call.found
    own = held.author is not None and held.author.id == call.who.user_id
    if not own and call.on.role < Role.ADMIN:
        raise Problem("forbidden", "A comment is taken away by whoever wrote it, or by an admin.")
    try:
        await comments.delete(call.resources.db, call.on, held, request_id=call.request_id)
    except comments.GoneError:
        raise Problem("not_found") from None
    return Answer()


@endpoint("Settle a thread", need=Role.COMMENTER, limit="write", answers=Comment, resolve=_thread_in_path)
async def resolve_thread(call: Call) -> Answer:
    return await _settled(call, resolved=True)


@endpoint("Open a settled thread again", need=Role.COMMENTER, limit="write", answers=Comment, resolve=_thread_in_path)
async def reopen_thread(call: Call) -> Answer:
    return await _settled(call, resolved=False)


async def _settled(call: Call, *, resolved: bool) -> Answer:
    try:
        thread = await comments.resolve(
            call.resources.db, call.on, call.found.id, resolved=resolved, request_id=call.request_id
        )
    except comments.GoneError:
        raise Problem("not_found") from None
    return Answer(Comment.of(thread))


@endpoint(
    "Comments in open threads that name you, the newest first",
    answers=Mentions,
    errors=("cursor_mismatch", "invalid_reference"),
)
async def list_mentions(call: Call, query: MentionsQuery) -> Answer:
    org = await organization(call, query.org)
    filters = ["mentions", org.org_id]
    before = _position(query.cursor, filters)
    rows = await comments.mentions(
        call.resources.db, call.who.user_id, org.org_id, before=before, limit=query.limit + 1
    )
    cursor = seal_cursor([rows[query.limit - 1].comment.id], filters) if len(rows) > query.limit else None
    items = [
        Mention(diagram_id=one.diagram_id, diagram_title=one.title, comment=Comment.of(one.comment))
        for one in rows[: query.limit]
    ]
    return Answer(Mentions(items=items, next_cursor=cursor), headers=next_link(call, cursor))
