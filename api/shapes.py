"""Shapes that several routes share: people, pages, the kinds of text that are accepted.

Text that goes to the database has no NUL and no lone surrogates; a name is one line, trimmed and not empty.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from api.endpoint import Model
from storage.access import Role
from storage.people import Person as StoredPerson

# What these patterns say is all there is to say: the document shows them, and what fits them is accepted.
_BLANK = r"\s\x00-\x20\x7f\u200b\ufeff"
_LINE = rf"^[^\x00-\x08\x0a-\x1f\x7f]*[^{_BLANK}][^\x00-\x08\x0a-\x1f\x7f]*$"
_PROSE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
# What is not seen, turns the writing round, or is another way to write an ordinary letter: it makes addresses look alike.
_MASKS = (
    r"\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2100-\u214f\ufb00-\ufb06\ufe00-\ufe0f\uff00-\uffff"
)
_ADDRESS = rf"^ *[^{_BLANK}{_MASKS}@]+@(localhost|([^{_BLANK}{_MASKS}@.]+\.)+[^{_BLANK}{_MASKS}@.]+) *$"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

Text = Annotated[str, StringConstraints(max_length=2000, pattern=_PROSE), Field(examples=["Approval added"])]
Words = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=rf"{_PROSE[:-1]}[^{_BLANK}]{_PROSE[1:]}"),
    AfterValidator(str.strip),
]
ElementId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PROSE), Field(examples=["Task_1"])]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_LINE), AfterValidator(str.strip)]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=_ADDRESS),
    AfterValidator(lambda value: value.strip().lower()),
    Field(examples=["ann@example.org"]),
]

_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def _moment(value: Any) -> Any:
    """RFC 3339 with an offset, in UTC; nothing else, least of all a number."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("a moment like 2026-01-31T08:30:00Z, please")
    # A leap second is the second before it to everything behind us.
    moment = datetime.fromisoformat(value.upper().replace(":60", ":59"))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
# An id in a query or body, resolved by the route.
Reference = Annotated[str, StringConstraints(max_length=200), Field(examples=["0198c0de-0000-7000-8000-000000000001"])]
RoleName = Literal["viewer", "commenter", "editor", "admin", "owner"]


GUEST = "Guest"  # what somebody is called whose name is not known in the organization


class Person(Model):
    """Somebody, by id and name. Guests from another organization are called so."""

    id: UUID
    name: str

    @classmethod
    def of(cls, person: StoredPerson | None) -> "Person | None":
        """A stored person."""
        return None if person is None else cls(id=person.id, name=person.name or GUEST)

    @classmethod
    def all(cls, people: Iterable[StoredPerson]) -> "list[Person]":
        """Several."""
        return [cls(id=one.id, name=one.name or GUEST) for one in people]


class Repair(Model):
    """One thing that a version shows otherwise than its document says, so that it stays a valid diagram."""

    rule: str
    key: str
    id: str
    text: str
    other: str | None = None


def role(label: str) -> Role:
    """The role behind a RoleName."""
    return Role.of(label)
