"""The difference of two versions of a diagram, by element: for people who review, and for the page's history."""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Problem, invalid
from collab import save
from collab.bpmn import compare
from storage import history
from storage.access import Role

Side = Annotated[str, Field(max_length=20, pattern="^([1-9][0-9]{0,8}|live)$", description="a version number, or live")]


class DiffQuery(Model):
    from_: Annotated[Side, Field(alias="from")]
    to: Side | None = None


class Property(Model):
    property: str
    base: Any
    value: Any


class Entry(Model):
    element: str
    type: str
    name: str | None
    properties: list[Property]


class Difference(Model):
    """The two as asked for, the head where nothing was said. An element that moved and changed is in both lists."""

    from_version: str
    to_version: str
    added: list[Entry]
    removed: list[Entry]
    changed: list[Entry]
    moved: list[Entry]
    layout_only: list[Entry]


@endpoint(
    "What changed between two versions, by element; `to` is the head unless said otherwise",
    need=Role.VIEWER,
    visitors=True,
    answers=Difference,
    errors=("version_evicted",),
)
async def difference(call: Call, query: DiffQuery) -> Difference:
    head = await history.head(call.resources.db, call.on)
    to = query.to or str(head)
    base, other = await _text(call, query.from_, head), await _text(call, to, head)
    found = await call.resources.workshop.do(compare.compare, base, other)
    return Difference.model_validate({"from_version": query.from_, "to_version": to, **asdict(found)})


async def _text(call: Call, side: str, head: int) -> bytes:
    parts = call.resources
    if side == "live":
        return (await save.live(parts.db, parts.log, parts.workshop, call.on)).xml
    number = int(side)
    if number > head:
        raise invalid("query.from", "There is no such version.")
    text = await history.xml(parts.db, call.on, number)
    if text is None:
        raise Problem("version_evicted")
    return text
