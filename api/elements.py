"""What one element went through: who changed which property of it, when, from what to what."""

from datetime import datetime
from typing import Any

from api.answers import Answer
from api.call import Call
from api.endpoint import Model, endpoint
from api.paging import PageQuery, next_link, place, seal_cursor
from api.problems import Problem
from api.shapes import Person
from collab import elements
from storage.access import Role


class Event(Model):
    """`property` "element" tells of its coming (`before` null) and going (`after` null); both are its type then."""

    at: datetime
    author: Person | None
    property: str
    before: Any
    after: Any


class Events(Model):
    items: list[Event]
    next_cursor: str | None


@endpoint(
    "What this element went through, newest first",
    need=Role.VIEWER,
    visitors=True,
    answers=Events,
    errors=("cursor_mismatch",),
)
async def history(call: Call, query: PageQuery) -> Answer:
    element = call.path["element_id"]
    filters = ["element", call.on.diagram_id, element]
    position = place(query.cursor, filters, 2)
    before = (position[0], position[1]) if position else None
    parts = call.resources
    try:
        events, following = await elements.history(
            parts.db, parts.log, parts.workshop, call.on, element, before=before, limit=query.limit
        )
    except elements.UnknownElementError:
        raise Problem("not_found") from None
    items = [
        Event(at=one.at, author=Person.of(one.author), property=one.property, before=one.before, after=one.after)
        for one in events
    ]
    cursor = seal_cursor(list(following), filters) if following else None
    return Answer(Events(items=items, next_cursor=cursor), headers=next_link(call, cursor))
