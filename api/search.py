"""Search over what people see of their organization: titles, names of elements, documentation, comments.

Every hit is one text; those of elements name the element. Highlights are places in that text, never markup: what people
wrote stays text.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from api.answers import Answer
from api.call import Call
from api.endpoint import Model, endpoint
from api.paging import PageQuery, next_link, place, seal_cursor
from api.problems import Problem
from api.scope import organization
from api.shapes import Reference
from collab.bpmn import words
from storage import search

SHOWN = 240  # characters of a text
BEFORE = 60  # of them before the first highlight


class Highlight(Model):
    """From `start` up to, not including, `end`: characters (Unicode code points) of the hit's text."""

    start: int
    end: int


class Hit(Model):
    """A text that holds all words of the query. Without an element it is about the whole diagram."""

    diagram_id: UUID
    title: str
    element_id: str | None
    element_type: str | None
    field: Literal["title", "name", "documentation", "text", "comment"]
    text: str
    highlights: list[Highlight]


class Hits(Model):
    items: list[Hit]
    next_cursor: str | None


class SearchQuery(PageQuery):
    q: Annotated[
        str,
        StringConstraints(max_length=200),
        Field(
            description="words, or beginnings of words, without regard to case and accents",
            examples=["invoice"],
        ),
    ]
    org: Reference | None = None


@endpoint(
    "Find diagrams and elements by what is written in them",
    answers=Hits,
    errors=("cursor_mismatch", "invalid_reference", "forbidden"),
)
async def find(call: Call, query: SearchQuery) -> Answer:
    org = await organization(call, query.org)
    filters = ["search", org.org_id, query.q]
    skip = (place(query.cursor, filters, 1) or (0,))[0]
    if not 0 <= skip <= search.MOST:
        raise Problem("cursor_mismatch")
    asked = words.query(query.q, words.tag_of(org.org_id))
    rows = []
    if asked:
        rows = await search.find(
            call.resources.db,
            user_id=call.who.user_id,
            org_id=org.org_id,
            query=asked,
            skip=skip,
            limit=query.limit + 1,
        )
    more = len(rows) > query.limit
    cursor = seal_cursor([skip + query.limit], filters) if more else None
    found = Hits(items=[_shown(one, query.q) for one in rows[: query.limit]], next_cursor=cursor)
    return Answer(found, headers=next_link(call, cursor))


def _shown(one: search.Hit, asked: str) -> Hit:
    text, places = excerpt(one.body, words.highlights(one.body, asked))
    return Hit(
        diagram_id=one.diagram_id,
        title=one.title,
        element_id=one.element_id,
        element_type=one.element_type,
        field=_FIELDS[one.field],
        text=text,
        highlights=[Highlight(start=start, end=end) for start, end in places],
    )


_FIELDS: dict[str, Literal["title", "name", "documentation", "text", "comment"]] = {
    "title": "title", "name": "name", "documentation": "documentation", "text": "text", "comment": "comment",
}  # fmt: skip


def excerpt(body: str, places: list[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    """The part of a text around the first highlight, an ellipsis where something is left out; and the highlights in it."""
    if len(body) <= SHOWN:
        return body, places
    first = places[0][0] if places else 0
    start = max(0, min(first - BEFORE, len(body) - SHOWN))
    end = start + SHOWN
    before, after = "…" if start else "", "…" if end < len(body) else ""
    moved = [(a - start + len(before), b - start + len(before)) for a, b in places if start <= a and b <= end]
    return f"{before}{body[start:end]}{after}", moved
